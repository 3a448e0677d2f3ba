"""The models of the service and their queues."""

from easyanimate_client._sync.http import Http
from easyanimate_client.inputs import Body, route
from easyanimate_client.options import Call
from easyanimate_client.records import Model, ModelList, PromptTokens, Queues


class Models:
    """What the workers can run. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def list(self) -> ModelList:
        """The models with limits and defaults."""
        return self._http.record(ModelList, Call("GET", route("/v1/models")))

    def retrieve(self, model: str) -> Model:
        """One model. Raises ModelNotFound."""
        return self._http.record(Model, Call("GET", route("/v1/models/{}", model)))

    def count_tokens(self, model: str, prompt: str, *, clean_caption: bool | None = None) -> PromptTokens:
        """How many tokens a prompt has, and how many the model reads. Raises ModelNotFound."""
        body = Body({"prompt": prompt, "clean_caption": clean_caption}).options()
        call = Call("POST", route("/v1/models/{}/count_tokens", model), body=body, is_repeatable=True)
        return self._http.record(PromptTokens, call)

    def queues(self) -> Queues:
        """For each model: how many videos wait and run, and whether it accepts more."""
        return self._http.record(Queues, Call("GET", route("/v1/queue")))
