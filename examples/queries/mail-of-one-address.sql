-- Mail of one address, newest first
SELECT time, sender, recipient, outcome, reason_class, attempts, queue_id, ts FROM mail WHERE recipient = 'alice@example.com'
UNION ALL
SELECT time, sender, recipient, outcome, reason_class, attempts, queue_id, ts FROM mail WHERE sender = 'alice@example.com' ORDER BY ts DESC LIMIT 50;
