-- Addresses that guess
SELECT ip, country, failures, accounts, first_time, last_time FROM failed_ips ORDER BY failures DESC LIMIT 20;
