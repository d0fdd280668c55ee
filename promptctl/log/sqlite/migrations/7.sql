ALTER TABLE budget_accounts ADD COLUMN scope TEXT;
ALTER TABLE budget_accounts ADD COLUMN each TEXT;
ALTER TABLE budget_accounts ADD COLUMN per TEXT;
ALTER TABLE budget_reservations ADD COLUMN call TEXT;
