"""The dashboard of workers and GPUs, from the metrics ports of workers."""

from deploy.observability.dashboards.boards import Board, Panel, Variable

I = '{instance=~"$instance"}'  # noqa: E741
RATE = "[$__rate_interval]"


def mean(metric: str, labels: str, matcher: str = I) -> str:
    """The mean of a histogram of workers."""
    parts = (f"sum by ({labels}) (rate({metric}_{part}{matcher}{RATE}))" for part in ("sum", "count"))
    return " / ".join(parts)


def quantile(share: float, metric: str, labels: str, matcher: str = I) -> str:
    """A quantile of a histogram of workers, by labels."""
    return f"histogram_quantile({share}, sum by (le, {labels}) (rate({metric}_bucket{matcher}{RATE})))"


LOAD = (
    Panel(
        "Busy and idle workers",
        (
            (f"sum(easyanimate_worker_busy{I})", "busy"),
            (f"count(easyanimate_worker_busy{I} == 0) or vector(0)", "idle"),
        ),
        "Workers whose metrics port is scraped.",
        kind="stack",
    ),
    Panel(
        "Use of each worker",
        ((f"avg_over_time(easyanimate_worker_busy{I}[10m])", "{{instance}}"),),
        "Part of the last ten minutes in which it ran a job.",
        unit="percentunit",
        maximum=1,
    ),
    Panel(
        "Workers by phase",
        ((f"sum by (phase) (easyanimate_worker_phase{I})", "{{phase}}"),),
        "What the busy workers do.",
        kind="stack",
        may_be_empty=True,
    ),
    Panel(
        "Attempts per hour",
        ((f"3600 * sum by (outcome) (rate(easyanimate_worker_attempts_total{I}{RATE}))", "{{outcome}}"),),
        "How the attempts of these workers ended.",
        kind="stack",
    ),
)
SPEED = (
    Panel(
        "Time of a step",
        tuple(
            (quantile(share, "easyanimate_worker_step_seconds", "model"), f"{{{{model}}}} p{share * 100:g}")
            for share in (0.5, 0.9)
        ),
        "Steps of denoising. Sizes and lengths of videos differ, so compare like periods.",
        unit="s",
    ),
    Panel(
        "Mean time of a step by worker",
        ((mean("easyanimate_worker_step_seconds", "instance, model"), "{{instance}} {{model}}"),),
        "A worker that is slower than the others may have a hot or shared GPU.",
        unit="s",
    ),
    Panel(
        "Mean time of each phase",
        ((mean("easyanimate_worker_phase_seconds", "phase"), "{{phase}}"),),
        "Of the videos of these workers.",
        unit="s",
        kind="stack",
    ),
    Panel(
        "Mean time of a window",
        ((mean("easyanimate_worker_window_seconds", "model"), "{{model}}"),),
        "Windows of long videos, with their decoding.",
        unit="s",
        may_be_empty=True,
    ),
    Panel(
        "Windows of long videos per hour",
        ((f"3600 * sum by (outcome) (rate(easyanimate_worker_windows_total{I}{RATE}))", "{{outcome}}"),),
        "Generated, reused from storage, not stored, or damaged in storage, where stored windows are reused.",
        kind="stack",
        may_be_empty=True,
    ),
)
MEMORY = (
    Panel(
        "Memory of the GPU in use",
        (
            (
                f"easyanimate_worker_gpu_memory_used_bytes{I} / (easyanimate_worker_gpu_memory_bytes{I} > 0)",
                "{{instance}}",
            ),
        ),
        "By all processes on the GPU, at the latest change of phase. Empty on a CPU.",
        unit="percentunit",
        maximum=1,
        may_be_empty=True,
    ),
    Panel(
        "Peak memory of the latest video",
        ((f"easyanimate_worker_peak_memory_bytes{I}", "{{instance}} {{model}}"),),
        "Of the GPU, or on a CPU of the engine.",
        unit="bytes",
    ),
    Panel(
        "Weights in memory",
        ((f"easyanimate_worker_model_weights_bytes{I}", "{{instance}} {{model}}"),),
        "0 for a model that is not loaded.",
        unit="bytes",
        kind="stack",
    ),
    Panel(
        "Loads, starts of the engine and retries without memory, per hour",
        (
            (
                f"3600 * sum by (model) (rate(easyanimate_worker_model_load_seconds_count{I}{RATE}))",
                "loads of {{model}}",
            ),
            (
                f"3600 * sum by (instance) (rate(easyanimate_worker_engine_starts_total{I}{RATE}))",
                "starts on {{instance}}",
            ),
            (f"3600 * sum by (way) (rate(easyanimate_worker_memory_retries_total{I}{RATE}))", "retries {{way}}"),
        ),
        "Each start of an engine but the first follows a crash, a hang or a lack of memory.",
    ),
    Panel(
        "Time of model loads",
        ((mean("easyanimate_worker_model_load_seconds", "model"), "{{model}}"),),
        "Mean time from the request to the loaded model.",
        unit="s",
        may_be_empty=True,
    ),
    Panel(
        "Evicted models per hour",
        ((f"3600 * sum by (model) (rate(easyanimate_worker_models_dropped_total{I}{RATE}))", "{{model}}"),),
        "Many evictions mean that the memory is too small for the models of a worker.",
        may_be_empty=True,
    ),
)
STORAGE = (
    Panel(
        "Age of the newest checkpoint",
        ((f"easyanimate_worker_checkpoint_age_seconds{I}", "{{instance}} {{place}}"),),
        "Work that would be lost with the process (spool) or with the host (storage).",
        unit="s",
    ),
    Panel(
        "Upload of a checkpoint, p90",
        ((quantile(0.9, "easyanimate_worker_checkpoint_store_seconds", "instance"), "{{instance}}"),),
        "Seconds until a checkpoint is in the storage.",
        unit="s",
        may_be_empty=True,
    ),
    Panel(
        "Free space of the spool",
        ((f"easyanimate_worker_spool_free_bytes{I}", "{{instance}}"),),
        "Below `EASYANIMATE_MIN_FREE_DISK_BYTES` a worker takes no jobs.",
        unit="bytes",
    ),
    Panel(
        "Bytes to and from the storage",
        ((f"sum by (direction, folder) (rate(easyanimate_storage_bytes_total{I}{RATE}))", "{{direction}} {{folder}}"),),
        "By folder of the keys: videos with segments and previews, inputs, checkpoints.",
        unit="Bps",
        kind="stack",
    ),
    Panel(
        "Operations of the storage, p90",
        ((quantile(0.9, "easyanimate_storage_seconds", "operation"), "{{operation}}"),),
        "As these processes see them, with retries.",
        unit="s",
    ),
    Panel(
        "Failed operations of the storage per minute",
        ((f"60 * sum by (operation) (rate(easyanimate_storage_failures_total{I}{RATE}))", "{{operation}}"),),
        "After all retries. A worker waits with its finished video.",
        may_be_empty=True,
    ),
)
WORKERS = Board(
    "easyanimate-workers",
    "EasyAnimate: workers and GPUs",
    "Load, speed, memory and storage of the workers whose metrics port is scraped.",
    {"Load": LOAD, "Speed": SPEED, "Memory and models": MEMORY, "Checkpoints and storage": STORAGE},
    (Variable("instance", "easyanimate_worker_busy", "instance"),),
)
