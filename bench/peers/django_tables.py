"""The tables of `uploads.sql` for Django, and what DRF validates of a body. Imported once Django is configured."""

from django.db import models
from rest_framework import serializers


class DrivingSession(models.Model):
    """One drive."""

    id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    client_session_id = models.UUIDField(null=True)
    status = models.CharField(max_length=16)
    end_reason = models.CharField(max_length=32, null=True)
    name = models.CharField(max_length=200, null=True)
    notes = models.TextField(null=True)
    tags = models.JSONField()
    vehicle = models.JSONField(null=True)
    device = models.JSONField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    last_reading_at = models.DateTimeField(null=True)
    readings_count = models.IntegerField()
    last_seq = models.BigIntegerField(null=True)
    version = models.BigIntegerField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    first_reading_at = models.DateTimeField(null=True)
    distance_m = models.FloatField()
    speed_sum = models.FloatField()
    speed_count = models.IntegerField()
    speed_max = models.FloatField(null=True)
    last_speed = models.FloatField(null=True)
    last_speed_at = models.DateTimeField(null=True)

    class Meta:
        app_label, managed, db_table = "uploads", False, "driving_sessions"


class Reading(models.Model):
    """One measurement of a drive."""

    pk = models.CompositePrimaryKey("session_id", "seq")
    session = models.ForeignKey(DrivingSession, on_delete=models.CASCADE)
    seq = models.BigIntegerField()
    t = models.DateTimeField()
    lat = models.FloatField(null=True)
    lon = models.FloatField(null=True)
    accuracy_m = models.FloatField(null=True)
    speed_mps = models.FloatField(null=True)
    heading_deg = models.FloatField(null=True)
    accel_long_mps2 = models.FloatField(null=True)
    accel_lat_mps2 = models.FloatField(null=True)
    perclos = models.FloatField(null=True)
    fatigue_score = models.FloatField(null=True)
    eyes_closed = models.BooleanField(null=True)
    blink_rate_pm = models.FloatField(null=True)
    hr_bpm = models.FloatField(null=True)

    class Meta:
        app_label, managed, db_table = "uploads", False, "readings"


def within(low: float, high: float) -> serializers.FloatField:
    return serializers.FloatField(required=False, allow_null=True, min_value=low, max_value=high)


class ReadingSerializer(serializers.Serializer):
    """One measurement, within the bounds of the contract."""

    seq = serializers.IntegerField(min_value=0, max_value=2**53 - 1)
    t = serializers.DateTimeField()
    lat = within(-90, 90)
    lon = within(-180, 180)
    accuracy_m = within(0, 1_000_000)
    speed_mps = within(0, 1_000)
    heading_deg = within(0, 360)
    accel_long_mps2 = within(-1_000, 1_000)
    accel_lat_mps2 = within(-1_000, 1_000)
    perclos = within(0, 1)
    fatigue_score = within(0, 100)
    eyes_closed = serializers.BooleanField(required=False, allow_null=True)
    blink_rate_pm = within(0, 1_000)
    hr_bpm = within(0, 500)


class BatchSerializer(serializers.Serializer):
    """Some readings, in any order."""

    readings = ReadingSerializer(many=True, min_length=1, max_length=1000)
