"""The models of the service and their queues."""

from easyanimate_client._async.http import AsyncHttp
from easyanimate_client.inputs import Body, route
from easyanimate_client.options import Call
from easyanimate_client.records import Model, ModelList, PromptTokens, Queues


class AsyncModels:
    """What the workers can run. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def list(self) -> ModelList:
        """The models with limits and defaults."""
        return await self._http.record(ModelList, Call("GET", route("/v1/models")))

    async def retrieve(self, model: str) -> Model:
        """One model. Raises ModelNotFound."""
        return await self._http.record(Model, Call("GET", route("/v1/models/{}", model)))

    async def count_tokens(self, model: str, prompt: str, *, clean_caption: bool | None = None) -> PromptTokens:
        """How many tokens a prompt has, and how many the model reads. Raises ModelNotFound."""
        body = Body({"prompt": prompt, "clean_caption": clean_caption}).options()
        call = Call("POST", route("/v1/models/{}/count_tokens", model), body=body, is_repeatable=True)
        return await self._http.record(PromptTokens, call)

    async def queues(self) -> Queues:
        """For each model: how many videos wait and run, and whether it accepts more."""
        return await self._http.record(Queues, Call("GET", route("/v1/queue")))
