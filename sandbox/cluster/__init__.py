"""A real Kubernetes cluster on one Linux machine, without Docker, systemd or virtual machines."""
