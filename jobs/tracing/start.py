"""Starts the traces of a process if the standard variables of OpenTelemetry name an endpoint."""

import structlog
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.tracing.spans import use_recorder

log = structlog.get_logger()

HTTP_PROTOCOL = "http/protobuf"


class TraceSettings(BaseSettings):
    """The variables that decide whether there are traces. OpenTelemetry reads these and all others itself."""

    model_config = SettingsConfigDict(env_prefix="OTEL_", env_ignore_empty=True, frozen=True, extra="ignore")

    exporter_otlp_endpoint: str | None = None
    exporter_otlp_traces_endpoint: str | None = None
    exporter_otlp_protocol: str = HTTP_PROTOCOL
    exporter_otlp_traces_protocol: str | None = None
    traces_exporter: str = "otlp"
    sdk_disabled: str = "false"

    @property
    def has_endpoint(self) -> bool:
        """Whether traces are wanted."""
        endpoint = self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint
        is_disabled = self.sdk_disabled.strip().lower() == "true" or self.traces_exporter.strip().lower() == "none"
        return endpoint is not None and not is_disabled

    @property
    def fault(self) -> str | None:
        """Why there can be no traces, or None."""
        protocol = self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol
        if protocol != HTTP_PROTOCOL:
            return f"OTEL_EXPORTER_OTLP_PROTOCOL must be {HTTP_PROTOCOL}, the port of a collector is then mostly 4318"
        if self.traces_exporter.strip().lower() != "otlp":
            return "OTEL_TRACES_EXPORTER must be otlp or none"
        return None


def start_traces(process: str) -> None:
    """Records traces in this process from now on, if there is an endpoint. A fault is logged, and nothing is recorded.

    `process` is api, worker or keeper.
    """
    settings = TraceSettings()
    if not settings.has_endpoint:
        return
    if settings.fault is not None:
        log.error("traces.off", reason=settings.fault)
        return
    try:
        from jobs.tracing.export import record_traces  # noqa: PLC0415  only a process with traces imports the SDK
    except ImportError as error:
        reason = "OTEL_EXPORTER_OTLP_ENDPOINT needs the extra traces: pip install 'easyanimate-service[traces]'"
        log.error("traces.off", reason=reason, missing=error.name)
        return
    try:
        use_recorder(record_traces(process))
    except Exception:  # an invalid variable of OpenTelemetry must not stop the service
        log.exception("traces.off", reason="a variable OTEL_… is not valid")
    else:
        log.info("traces.on", process=process)
