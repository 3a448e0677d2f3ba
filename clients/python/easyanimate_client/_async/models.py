"""The models of the service and their queues."""

from easyanimate_client._async.http import AsyncHttp
from easyanimate_client.inputs import route
from easyanimate_client.options import Call
from easyanimate_client.records import Model, ModelList, Queues


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

    async def queues(self) -> Queues:
        """For each model: how many videos wait and run, and whether it accepts more."""
        return await self._http.record(Queues, Call("GET", route("/v1/queue")))
