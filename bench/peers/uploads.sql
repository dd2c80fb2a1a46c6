-- Where the peers of bench.uploads keep drives and readings: a row for each reading, unique by session and seq.
CREATE TABLE driving_sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    client_session_id uuid,
    status varchar(16) NOT NULL,
    end_reason varchar(32),
    name varchar(200),
    notes text,
    tags jsonb NOT NULL,
    vehicle jsonb,
    device jsonb,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    last_reading_at timestamptz,
    readings_count integer NOT NULL DEFAULT 0,
    last_seq bigint,
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- What the summary is made of. The last speed, and when it was measured, are what the next distance begins with.
    first_reading_at timestamptz,
    distance_m double precision NOT NULL DEFAULT 0,
    speed_sum double precision NOT NULL DEFAULT 0,
    speed_count integer NOT NULL DEFAULT 0,
    speed_max double precision,
    last_speed double precision,
    last_speed_at timestamptz
);
CREATE INDEX driving_sessions_newest ON driving_sessions (user_id, started_at);

CREATE TABLE readings (
    session_id uuid NOT NULL REFERENCES driving_sessions (id) ON DELETE CASCADE,
    seq bigint NOT NULL,
    t timestamptz NOT NULL,
    lat double precision,
    lon double precision,
    accuracy_m double precision,
    speed_mps double precision,
    heading_deg double precision,
    accel_long_mps2 double precision,
    accel_lat_mps2 double precision,
    perclos double precision,
    fatigue_score double precision,
    eyes_closed boolean,
    blink_rate_pm double precision,
    hr_bpm double precision,
    PRIMARY KEY (session_id, seq)
);
