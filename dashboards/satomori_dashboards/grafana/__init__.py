"""Grafana dashboards as code: InfluxQL only, so they stand on InfluxDB 1.8, 2 and 3 alike."""
