"""People and judges: who labelled which replies, how far people agree with each other, and a judge with people."""
