"""The one table of names: attributes, metrics and events, after OpenTelemetry's conventions for generative AI.

They follow release 0.1.0 of github.com/open-telemetry/semantic-conventions-genai, read on 2026-11-29. All of it is in
development there, and was renamed more than once: so each name is here alone. What the conventions have no name for,
the cost above all, is ours, below `promptctl.`.
"""

from __future__ import annotations

CONVENTIONS = "semantic-conventions-genai 0.1.0, read on 2026-11-29"
SCOPE = "promptctl"

CHAT = "chat"
EMBEDDINGS = "embeddings"

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
CONVERSATION = "gen_ai.conversation.id"
OUTPUT_TYPE = "gen_ai.output.type"
PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
REQUEST_MODEL = "gen_ai.request.model"
IS_STREAMED = "gen_ai.request.stream"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
MODALITY = "gen_ai.token.modality"
ERROR_TYPE = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
# Only on request. What is in the chat history, as system messages are here, stays in the input messages.
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
VARIABLE = "gen_ai.prompt.variable."

# By the names that parameters have in prompt files, each with the type that the conventions ask for.
PARAMETERS: dict[str, tuple[str, type]] = {
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", int),
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
    "seed": ("gen_ai.request.seed", int),
    "n": ("gen_ai.request.choice.count", int),
    "stop": ("gen_ai.request.stop_sequences", list),
    "reasoning_effort": ("gen_ai.request.reasoning.level", str),
}

# The conventions' names of providers, by those that begin a model's id; all others are the same.
PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}

EVALUATION_EVENT = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
EVALUATION_LABEL = "gen_ai.evaluation.score.label"
EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"

# Fields of an execution that go out under our own names, as they are.
OF_EXECUTION = {
    "id": "promptctl.execution.id",
    "call_id": "promptctl.call.id",
    "attempt": "promptctl.call.attempt",
    "source": "promptctl.call.source",
    "status": "promptctl.call.status",
    "content_type": "promptctl.content_type",
    "prompt_name": "promptctl.prompt.title",
    "version_display": "promptctl.prompt.version",
    "digest": "promptctl.prompt.digest",
    "commit": "promptctl.prompt.commit",
    "label": "promptctl.prompt.label",
    "experiment": "promptctl.experiment.name",
    "arm": "promptctl.experiment.arm",
    "evaluation_id": "promptctl.evaluation.id",
    "case_id": "promptctl.evaluation.case",
    "repeat": "promptctl.evaluation.repeat",
}
EXECUTION_ID = OF_EXECUTION["id"]
EVALUATION_ID = OF_EXECUTION["evaluation_id"]
CASE_ID = OF_EXECUTION["case_id"]
REPEAT = OF_EXECUTION["repeat"]
SCORED_BY = "promptctl.evaluation.source"
IS_DIRTY = "promptctl.prompt.uncommitted"
COST = "promptctl.cost.amount"
COST_CURRENCY = "promptctl.cost.currency"
IS_PRICED = "promptctl.cost.priced"
PRICE_SOURCE = "promptctl.cost.price_source"

DURATION = {CHAT: "gen_ai.client.inference.duration", EMBEDDINGS: "gen_ai.client.embeddings.duration"}
TIME_TO_FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
INPUT_PER_CALL = {
    CHAT: "gen_ai.client.inference.operation.input_tokens",
    EMBEDDINGS: "gen_ai.client.embeddings.operation.input_tokens",
}
OUTPUT_PER_CALL = "gen_ai.client.inference.operation.output_tokens"
# Counters of tokens, by the attribute of a span that has the number.
USAGE = {
    INPUT_TOKENS: "gen_ai.client.inference.usage.input_tokens",
    OUTPUT_TOKENS: "gen_ai.client.inference.usage.output_tokens",
    CACHE_READ_TOKENS: "gen_ai.client.inference.usage.cache_read.input_tokens",
    CACHE_WRITE_TOKENS: "gen_ai.client.inference.usage.cache_write.input_tokens",
    REASONING_TOKENS: "gen_ai.client.inference.usage.reasoning.output_tokens",
}
COST_PER_CALL = "promptctl.client.cost"
UNPRICED_CALLS = "promptctl.client.unpriced"

DURATION_LIMITS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_LIMITS = tuple(4**power for power in range(14))
COST_LIMITS_USD = tuple(float(f"1e{power}") for power in range(-6, 3))
