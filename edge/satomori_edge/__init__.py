"""What runs on the gateway: reads sensors, keeps every reading until it is acknowledged, sends it up."""
