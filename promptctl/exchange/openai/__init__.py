"""Files of OpenAI: evals with their samples, conversations for fine-tuning, requests alone and in batches."""
