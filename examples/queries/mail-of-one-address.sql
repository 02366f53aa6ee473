-- Mail of one address, newest first
SELECT time, sender, recipient, outcome, reason_class, attempts, queue_id FROM mail WHERE recipient = 'alice@example.com' OR sender = 'alice@example.com' ORDER BY ts DESC LIMIT 50;
