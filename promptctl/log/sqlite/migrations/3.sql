CREATE TABLE budget_accounts (
  id INTEGER PRIMARY KEY,
  budget TEXT NOT NULL,
  unit TEXT NOT NULL CHECK (unit IN ('usd', 'calls', 'tokens')),
  key TEXT NOT NULL,
  window_start TEXT NOT NULL,
  window_end TEXT,
  most INTEGER NOT NULL,
  warn_from INTEGER,
  action TEXT NOT NULL CHECK (action IN ('warn', 'block', 'disable')),
  has_webhook INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  reserved INTEGER NOT NULL,
  warned_at TEXT,
  reached_at TEXT
) STRICT;

CREATE UNIQUE INDEX budget_accounts_key ON budget_accounts (budget, key, window_start, unit);

CREATE TABLE budget_reservations (
  execution_id TEXT NOT NULL,
  account INTEGER NOT NULL,
  unit TEXT NOT NULL,
  amount INTEGER NOT NULL,
  process TEXT NOT NULL,
  deadline TEXT NOT NULL,
  PRIMARY KEY (execution_id, account)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_rules (
  budget TEXT NOT NULL PRIMARY KEY,
  terms TEXT NOT NULL,
  seen_at TEXT NOT NULL
) STRICT;

CREATE TABLE budget_disabled (
  budget TEXT NOT NULL,
  key TEXT NOT NULL,
  since TEXT NOT NULL,
  PRIMARY KEY (budget, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE budget_events (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  budget TEXT NOT NULL,
  key TEXT NOT NULL,
  kind TEXT NOT NULL,
  unit TEXT,
  window_start TEXT,
  window_end TEXT,
  most INTEGER,
  spent INTEGER,
  reserved INTEGER,
  reason TEXT,
  execution_id TEXT,
  webhook TEXT CHECK (webhook IN ('due', 'sent', 'failed')),
  webhook_at TEXT
) STRICT;

CREATE INDEX budget_events_by_budget ON budget_events (budget, id);

CREATE INDEX budget_events_due ON budget_events (webhook_at) WHERE webhook = 'due';
