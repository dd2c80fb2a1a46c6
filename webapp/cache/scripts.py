"""What of the protocol of `entries` runs in Redis: a script for each operation that changes a key, atomic there."""

# A stored string is "v|stamp|version|body" or "p|stamp|floor|holder". Whatever does not match, is of another Redis
# type or carries another stamp counts as absent and is overwritten. `state` returns kind, number, rest, and the
# number as it is written.
_STATE = """
local function state(key, stamp)
  local raw = redis.pcall('GET', key)
  if type(raw) ~= 'string' then
    if type(raw) == 'table' and raw.err then redis.call('DEL', key) end
    return nil
  end
  local kind, at, number, rest = string.match(raw, '^([vp])|([^|]*)|(%d+)|(.*)$')
  if kind == nil or at ~= stamp then return nil end
  return kind, tonumber(number), rest, number
end
"""

# `allow-oom` is only for the fence: a Redis whose memory is full must still forget an old value. A fence that finds its
# floor there already stands for its whole time anew: another write, which failed, may have left it a while ago. If it
# comes with a token, that takes the place of whoever held the key; without one, no writer holds it any more: whoever
# fences after a writer knows that this one comes too late, or is that writer, who could not publish.
_FENCING = """
local function fence(key, stamp, kind, number, rest, floor, ttl, token)
  local is_there = kind ~= nil and number >= tonumber(floor)
  local is_for_writer = kind == 'p' and (token ~= '' or string.sub(rest, 1, 1) == 'w')
  if is_there and not (number == tonumber(floor) and is_for_writer) then
    if kind == 'p' then redis.call('PEXPIRE', key, ttl) end
    return 0
  end
  redis.call('SET', key, 'p|' .. stamp .. '|' .. floor .. '|' .. token, 'PX', ttl)
  if kind == 'p' then return 0 end
  return 1
end
"""
FENCE = (
    "#!lua flags=allow-oom\n"
    + _STATE
    + _FENCING
    + """
local kind, number, rest = state(KEYS[1], ARGV[1])
return fence(KEYS[1], ARGV[1], kind, number, rest, ARGV[2], ARGV[3], ARGV[4])
"""
)

# Only over the writer's own fence, which no later write has replaced; anything else, an absent key too, is fenced.
PUBLISH = (
    "#!lua\n"
    + _STATE
    + _FENCING
    + """
local kind, number, rest = state(KEYS[1], ARGV[1])
if kind == 'p' and rest == ARGV[4] and number == tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], 'v|' .. ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[5], 'PX', ARGV[6])
  return 2
end
return fence(KEYS[1], ARGV[1], kind, number, rest, ARGV[2], ARGV[3], '')
"""
)

# Several keys may be leased with one token, so a key held by it is granted again; but no lease is ever *sent* twice: a
# first copy that is executed late, on a key that was lost, would let the row in that was loaded long before. A lease on
# a fenced key lasts as long as the fence: readers must not keep the fence of a write that failed standing for ever.
LEASE = (
    "#!lua\n"
    + _STATE
    + """
local kind, _, rest, number = state(KEYS[1], ARGV[1])
if kind == 'v' then return 0 end
if kind == 'p' and rest ~= '' and rest ~= ARGV[2] then
  if ARGV[4] == '' or string.sub(rest, 1, 1) ~= ARGV[4] then return 0 end
end
local held = 'p|' .. ARGV[1] .. '|' .. (number or '0') .. '|' .. ARGV[2]
if kind == 'p' then redis.call('SET', KEYS[1], held, 'KEEPTTL') else redis.call('SET', KEYS[1], held, 'PX', ARGV[3]) end
return 1
"""
)

# A holder that comes with too old a row gives its lease back, so that the next reader need not wait for it to expire.
PUT = (
    "#!lua\n"
    + _STATE
    + """
local kind, number, rest, floor = state(KEYS[1], ARGV[1])
if kind == nil then return 0 end
if kind == 'p' and rest ~= ARGV[5] then return 0 end
if tonumber(ARGV[2]) < number then
  if kind == 'p' then redis.call('SET', KEYS[1], 'p|' .. ARGV[1] .. '|' .. floor .. '|', 'KEEPTTL') end
  return 0
end
redis.call('SET', KEYS[1], 'v|' .. ARGV[1] .. '|' .. ARGV[2] .. '|' .. ARGV[4], 'PX', ARGV[3])
return 1
"""
)
