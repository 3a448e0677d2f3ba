"""The models of the service and their queues."""

from easyanimate_client._sync.http import Http
from easyanimate_client.inputs import route
from easyanimate_client.options import Call
from easyanimate_client.records import Model, ModelList, Queues


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

    def queues(self) -> Queues:
        """For each model: how many videos wait and run, and whether it accepts more."""
        return self._http.record(Queues, Call("GET", route("/v1/queue")))
