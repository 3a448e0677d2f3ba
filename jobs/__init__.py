"""What a job is and how it lives: the request, the record, the store, the queue, the storage, the webhook outbox."""
