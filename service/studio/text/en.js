// The words of the page in English.

import service from "./service/en.js";

export default {
  ...service,

  // The frame of the page
  skip: "Skip to the form", menu: "Menu", api: "API", theme: "Theme", theme_auto: "System", theme_light: "Light", theme_dark: "Dark",
  language: "Language", request: "The request", at_the_end: "When a video is finished", notify: "Show a notification", notify_hint: "If the tab is in the background.", notify_refused: "The browser does not allow notifications of this page. Its settings of the site can change this.", sound: "Play a sound", create: "Create", my_videos: "My videos", stage: "Stage",
  settings: "Settings", settings_hint: "Language, theme, notifications and sound are kept on this device.", close: "Close", back: "Back", cancel: "Cancel", retry: "Retry", remove: "Remove", copy: "Copy", copied: "Copied", copy_refused: "The browser does not allow to copy. Select the text by hand.", in_s: "{n} s", in_min: "{n} min", in_h: "{n} h",
  no_answer: "The service does not respond.", http_status: "The service answers with HTTP {n}.", too_large: "The files are too large for a server on the way. Use smaller ones.", unknown_file: "This file is neither an image nor a video.", cannot_show: "This video cannot be shown here.", last_known: "Last known: {text}", no_model: "No model is available. Start a worker: the page shows its models.", drop_here: "Drop an image or a video",

  // First view
  welcome: "Make a video from words", examples: "Examples", use_example: "Use the example: {prompt}", welcome_hint: "Pick an example or write a prompt, then press Generate.",

  // Form
  mode: "Mode", mode_new: "Text or image", mode_edit: "Change a video", prompt: "Prompt", prompt_placeholder: "Describe the video",
  prompt_hint: "Enter starts the video. Shift and Enter add a line.", tokens: "{n} of {limit} tokens", tokens_over: "{n} tokens: the model reads the first {limit}.", english_only: "This model reads English. Other words are left out.",
  known_words: "Words that this model knows", kind_shapes: "Shapes", kind_colours: "Colours", kind_backgrounds: "Backgrounds",
  kind_motions: "Motions", kind_speeds: "Speeds", kind_sizes: "Sizes", image: "Start image", last_image: "End image", choose_image: "Choose, drop or paste", pick_frame: "From a video", crop: "Crop",
  unreadable: "This file cannot be shown as an image. The service may refuse it.", remove_image: "Remove start image", remove_last_image: "Remove end image",
  source_video: "Video to change", choose_video: "Choose or drop a file", pick_video: "One of mine", remove_video: "Remove the video", mask: "Mask", paint_mask: "Paint a mask", change_mask: "Change the mask", remove_mask: "Remove mask",
  mask_hint: "Painted areas are generated anew. Without a mask the whole video changes.", strength: "Strength", strength_hint: "Lower keeps more of the video. Empty: 0.7, or 1 with a mask.",
  model: "Model", no_worker: "{model} (no worker)", size: "Size", size_hint: "Multiples of 16, {min} to {max}, up to {pixels} pixels.", shapes: "Shapes", resize: "Resize to the Start Image", resize_result: "The video gets {size}.", resize_needs: "Needs a start image.",
  length: "Length", length_slider: "Length, slider", unit: "Unit", unit_s: "s", unit_frames: "frames", length_hint: "{length}. Up to {seconds} s at {fps} frames per second.", length_is: "{frames} frames, {seconds} s, {windows}",
  one_window: "1 window", windows: "{n} windows", an_image: "One frame: an image", seed: "Seed", random: "random", seed_hint: "The same seed and settings give the same video.", count: "Videos", count_hint: "Variations with consecutive seeds.", draft: "Draft first", draft_hint: "A draft ends after some of the steps. Finish those that you like.", draft_steps: "Steps of the draft", draft_of: "of {steps} steps",
  loras: "LoRA", lora_scale: "Strength of {name}", lora_hint: "Small add-ons that change the style. 0.55 is the usual strength.",
  advanced: "Advanced", negative_prompt: "Negative prompt", negative_hint: "What the video does not show.", num_inference_steps: "Steps", steps_hint: "More steps take longer and add detail.",
  guidance_scale: "Guidance", guidance_hint: "How closely the video follows the prompt. 1 switches it off, high values give hard colours.", scheduler: "Scheduler", scheduler_hint: "The method of the denoising. The default fits the model.", scheduler_default: "default ({name})",
  quality: "Quality", quality_hint: "Fast leaves out parts of some steps: the picture differs a little. A draft needs exact.", quality_exact: "exact", quality_fast: "fast, lossy",
  scheduler_euler: "fast, good with few steps", scheduler_euler_ancestral: "livelier; changes with the number of steps", scheduler_dpmpp_2m: "good with few steps", scheduler_pndm: "needs 4 steps or more",
  scheduler_ddim: "steady, for many steps", scheduler_ddim_clipped: "clips values; poor with the small model", scheduler_unipc: "good with few steps", scheduler_heun: "two passes a step: slower", scheduler_lcm: "for models distilled to few steps",
  previews: "Show previews", generate: "Generate video", generate_n: "Generate {n} videos", generate_draft: "Generate draft", generate_drafts: "Generate {n} drafts", remix: "Remix", extend: "Extend", edit: "Change", remix_video: "Remix video", extend_video: "Extend video", edit_video: "Change video",
  remix_of: "Same settings and seed, another prompt.", extend_of: "Continues from the last frames.", copy_code: "Copy as code", code_title: "This request as code", clear_form: "Clear the form", draft_replaced: "The earlier entries were replaced.",

  // Errors beside a field
  error_prompt: "Write what the video shows.", error_size: "Use multiples of 16 between {min} and {max}, at most {pixels} pixels.", error_length: "Use 1 frame or a multiple of 8, at most {frames} frames ({seconds} s).",
  error_seed: "Use a whole number, 0 or more.", error_num_inference_steps: "Use a whole number between {least} and {most}.", error_guidance_scale: "Use a number between 0 and 20.", error_strength: "Use a number above 0 and at most 1.",
  error_image: "This is no image that the service can read.", error_last_image: "An end image needs a start image and a readable file.", error_video: "Choose a video that the service can read.", error_draft: "Use a whole number between 1 and {last}.", nearest: "The nearest is {value}.", error_key: "Enter a key to continue.",

  // Stage
  state_queued: "Queued", state_next: "Queued, next to run", state_place: "Queued, {n} before this one", state_unserved: "Queued: no worker serves its model", state_paused: "Queued: the operator has paused its model", state_loading: "Loading the model",
  state_sending: "Sending the request", state_cancelling: "Cancelling…", state_completed: "Finished", state_failed: "Failed", state_cancelled: "Cancelled", state_expired: "Expired", state_draft: "Draft finished",
  phase_encoding: "Encoding the prompt", phase_denoising: "Denoising", phase_decoding: "Decoding frames", phase_muxing: "Writing the file", phase_uploading: "Uploading",
  step_of: "Step {step} of {steps}", left: "about {time} left", progress: "Progress", percent: "{n} percent", preview: "Preview", retry_helps: "A retry may help.", retry_useless: "A retry is unlikely to help.",
  missing: "This video does not exist.", was_deleted: "This video was deleted.", deleted: "{n} videos deleted.", deleted_one: "Video deleted.", no_files: "Its files have expired.", no_video: "There is no video.",
  download: "Download", more: "More", use_settings: "Use these settings", same_seed: "Same seed", variations: "Four variations", finish: "Finish", finish_draft: "Finish this draft", finish_seed: "Finish the draft with seed {seed}", open_finished: "Open finished", open_finished_seed: "Open finished: seed {seed}",
  draft_detail: "Finish the draft to extend, remix or change it.", draft_badge: "Draft", fact_draft: "Draft", fact_draft_is: "{n} of {total} steps", copy_link: "Copy link", copy_seed: "Copy seed", manifest: "Manifest", download_gif: "Download as GIF", download_webm: "Download as WebM", delete: "Delete", fullscreen: "Full screen", fullscreen_refused: "The browser does not allow full screen here.",
  making_file: "Making {name}: {percent} %", no_file: "This browser cannot make {name}.", no_webm: "This browser makes WebM files on pages over HTTPS only. Download the MP4 or a GIF.",
  images_left_out: "The settings are in the form. Images and videos of the old request are not included.", settings_used: "The settings are in the form.",
  fact_length: "Length", fact_took: "Generated in", fact_image: "an image", fact_length_is: "{s} s, {n} frames", fact_windows: "Windows", fact_windows_are: "{made} generated, {reused} reused", warnings: "Warnings", show_all: "Show all", show_less: "Show less",
  timeline: "Timeline", part: "Part {n}: {prompt}", continue_here: "Continue", part_of: "Part {n} of {total}", continue_from: "Continue from part {n}", remove_part: "Remove part {n}",
  shot: "Shot {n}: {prompt}", shot_in_progress: "running", shot_completed: "done", shot_failed: "failed", shot_reused: "Reused from an earlier video.", shot_partly_reused: "{n} of {total} windows reused from an earlier video.", watch: "Watch the finished part", cannot_watch: "The finished part cannot be played.",
  compare: "Compare", compared: "{n} videos side by side", wipe: "Wipe", wipe_hint: "Show both videos in one frame, divided by a line.", wiped: "2 videos in one frame", wipe_line: "Line between the videos, in percent",
  wipe_left: "Left: seed {seed}", wipe_right: "Right: seed {seed}", play: "Play",

  // Gallery
  search: "Search", search_placeholder: "Search prompts", select: "Select", selected: "{n} selected", select_one: "Select {prompt}", none: "No videos yet.", nothing: "No video has these words.", loading: "Loading…", older: "Load older videos",
  remix_one: "Remix {prompt}", extend_one: "Extend {prompt}", finish_one: "Finish {prompt}", delete_one: "Delete {prompt}", tools_of: "Tools of {prompt}", undo_keys: "Control and Z",
  favourites: "Favourites", favourite: "Favourite", favourite_one: "Favourite {prompt}", no_favourites: "No favourites yet. The star of a video marks one.",

  // Films
  mode_film: "Film", shots: "Shots", shot_n: "Shot {n}", from_to: "{from}–{to} s", shot_placeholder: "Describe the shot", add_shot: "Add a shot", drag_shot: "Drag to another place",
  shot_up: "Move shot {n} up", shot_down: "Move shot {n} down", shot_copy: "Duplicate shot {n}", shot_remove: "Remove shot {n}", shot_moved: "Now shot {n} of {total}",
  length_seconds: "Length in s", length_num_frames: "Length in frames", begins: "Begins with", begins_smooth: "a transition", begins_cut: "a cut", begins_overlap: "an overlap of {n}", shot_more: "Images, negative prompt, seed",
  shot_image_hint: "A shot with a start image begins with a cut.", shot_seed: "seed of the film plus the place", film_length: "{n} shots, {frames} frames, {seconds} s of at most {most} s", generate_film: "Generate film",
  error_shot_length: "Use a multiple of 8 frames, 8 or more. All shots together have at most {frames} frames ({seconds} s).",

  // Operators
  operators: "Operators", queues: "Queues", queue_open: "open", queue_facts: "Waiting: {waiting}, running: {running}, workers: {workers}", queue_wait: "about {time} until the last one starts", paused_because: "Reason: {reason}",
  pause: "Pause", resume: "Resume", pause_queue: "Pause {model}", resume_queue: "Resume {model}", pause_reason: "Reason for the pause of {model}", pause_why: "Reason, if any", idle_paused: "paused", idle_disk_full: "disk full", idle_draining: "draining",
  idle_model_broken: "the model cannot be loaded", idle_suspended: "suspended", idle_no_worker: "no worker", workers: "Workers", no_workers: "No worker is running.", drain: "Drain", drain_now: "Drain and end it", drain_worker: "Drain {name}", drain_sure: "Drain {name} and end it",
  worker_idle: "idle", worker_busy: "busy", worker_draining: "draining", worker_lost: "lost", worker_ended: "ended", worker_unknown: "unknown", drain_requested: "The drain is requested.", drain_accepted: "The worker drains.", drain_ended: "The worker has ended.",
  drain_unanswered: "The worker does not answer the drain.", waiting: "Waiting videos of this key", none_waiting: "No video of this key is waiting.", place_n: "Place {n}", priority_of: "Priority of {prompt}", priority_high: "high", priority_normal: "normal", priority_low: "low",
  usage: "Usage of this key", usage_of: "Completed videos from {from} to {to}", videos: "Videos", usage_steps: "Steps", usage_seconds: "Seconds", total: "Total",

  // Dialogs
  key_title: "API key required", key_label: "API key", key_wrong: "This key is not valid.", key_hint: "Only this service receives it.", key_remember: "Remember on this device", key_change: "Change the key", key_enter: "Enter a key", key_continue: "Continue", not_now: "Not now",
  pick_title: "Pick a frame", pick_video_title: "Pick a video", pick_none: "No finished video yet.", frame_n: "Frame {n} of {total}", use_frame: "Use this frame",
  crop_title: "Crop the image", zoom: "Zoom", move_x: "Left and right", move_y: "Up and down", apply: "Apply",
  mask_title: "Paint what changes", brush: "Brush", paint: "Paint", erase: "Erase", undo: "Undo", clear: "Clear", invert: "Invert", all: "All", left_half: "Left half", right_half: "Right half", top_half: "Upper half", bottom_half: "Lower half", centre: "Centre", mask_canvas: "Mask. Paint with the pointer, or use the buttons.",
};
