"""Takes jobs off the queue and makes videos; keeps jobs alive and delivers webhooks."""
