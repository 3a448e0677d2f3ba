"""The dashboard of one job while it runs, from the metrics of its worker."""

from deploy.observability.dashboards.boards import Board, Panel, Variable

INFO = 'easyanimate_worker_job_info{job_id="$job_id"}'
WORKER = f"and on (job, instance) {INFO}"
STEP = "easyanimate_worker_step_seconds"
RATE = "[$__rate_interval]"

STATE = (
    Panel(
        "Worker and attempt",
        ((f"max by (instance, model, attempt) (max_over_time({INFO}[$__range]))", ""),),
        "Each worker that ran the job in this period, with the number of the attempt.",
        kind="table",
    ),
    Panel(
        "Phase",
        ((f"easyanimate_worker_phase {WORKER}", "{{phase}}"),),
        "1 for the current phase.",
        kind="stack",
        maximum=1,
    ),
    Panel(
        "Progress in the phase",
        ((f"easyanimate_worker_progress_ratio {WORKER}", "{{instance}}"),),
        "Finished steps or frames of the phase.",
        unit="percentunit",
        maximum=1,
    ),
)
SPEED = (
    Panel(
        "Mean time of a step",
        (
            (
                f"(rate({STEP}_sum{RATE}) / rate({STEP}_count{RATE})) {WORKER}",
                "{{instance}}",
            ),
        ),
        "Steps of denoising on the worker of this job.",
        unit="s",
    ),
    Panel(
        "Work that would be lost",
        ((f"easyanimate_worker_checkpoint_age_seconds {WORKER}", "{{place}}"),),
        "Seconds since the newest checkpoint. If the worker ends, another process on its host resumes from the spool; "
        "a worker on another host resumes from the storage.",
        unit="s",
    ),
)
RESOURCES = (
    Panel(
        "Memory of the GPU",
        (
            (f"(easyanimate_worker_gpu_memory_used_bytes > 0) {WORKER}", "used"),
            (f"(easyanimate_worker_gpu_memory_bytes > 0) {WORKER}", "total"),
        ),
        "Of all processes on the GPU, at the latest change of phase. Empty on a CPU.",
        unit="bytes",
        may_be_empty=True,
    ),
    Panel(
        "Bytes to and from the storage",
        (
            (
                f"(sum by (job, instance, direction, folder) (rate(easyanimate_storage_bytes_total{RATE}))) {WORKER}",
                "{{direction}} {{folder}}",
            ),
        ),
        "Of the worker of this job: inputs, segments, previews, checkpoints and the video.",
        unit="Bps",
        kind="stack",
    ),
)
MORE = (
    Panel(
        "More about this job",
        (),
        "`GET /v1/videos/$job_id/attempts` has each attempt with its worker, phases and end. The record has position, "
        "expected end and error, `/deliveries` its webhooks. In the logs of API, keeper and worker search for "
        '`"job_id": "$job_id"`. Metrics of a job exist only while a worker runs it and its metrics port is scraped.',
        kind="text",
    ),
)
JOB = Board(
    "easyanimate-job",
    "EasyAnimate: one job",
    "One job while it runs: its worker, phase, speed, checkpoints and memory.",
    {"Job": STATE, "Speed and checkpoints": SPEED, "Memory and storage": RESOURCES, "More": MORE},
    (Variable("job_id", "easyanimate_worker_job_info", "job_id", has_all=False),),
)
