"""The HTTP interface: a JSON object in, one out. It looks at no session, so that no page can ask for a user."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

import promptctl
from service import features
from service.ai_service import AIService
from service.exceptions import PromptSchemaError, PromptTemplateError, PromptValidationError


@csrf_exempt
@require_POST
def draft_issue(request: HttpRequest) -> JsonResponse:
    """`{"feedback": …, "feedback_type": …}` becomes the title and labels of an issue."""
    return _answered(request, lambda service, data: features.draft_issue(service, **data).output)


@csrf_exempt
@require_POST
def document(request: HttpRequest) -> JsonResponse:
    """`{"code": …}` becomes documentation."""
    return _answered(request, lambda service, data: {"documentation": features.document(service, **data)})


def _answered(request: HttpRequest, answer: Callable[[AIService, dict[str, Any]], Any]) -> JsonResponse:
    """Answer, or say with a status what went wrong. Messages of providers and names of variables stay in the log."""
    try:
        return JsonResponse(answer(AIService(), json.loads(request.body)))
    except (ValueError, TypeError, PromptValidationError):
        return JsonResponse({"error": "this cannot be asked"}, status=422)
    except PromptSchemaError:
        return JsonResponse({"error": "the answer was of no use"}, status=502)
    except PromptTemplateError:
        return JsonResponse({"error": "the service is not set up"}, status=500)
    except promptctl.BudgetReached:
        return JsonResponse({"error": "no more answers for now"}, status=429)
    except promptctl.RateLimited as error:
        seconds = error.retry_after_s
        headers = {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}
        return JsonResponse({"error": "the model is busy"}, status=503, headers=headers)
    except promptctl.ModelError:
        return JsonResponse({"error": "the model could not answer"}, status=502)
