DROP VIEW executions_readable;

DROP VIEW results_readable;
