"""Takes jobs off the queue and makes videos; keeps the others honest (keeper) and delivers webhooks."""
