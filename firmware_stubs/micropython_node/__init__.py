"""A measuring node in MicroPython: SenML over MQTT, kept until ingest has acknowledged it. Imports nothing of ours."""
