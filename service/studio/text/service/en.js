// What the service says, in the words of the page. Without a text here, the sentence of the service is shown.

export default {
  width: "width", height: "height",

  // Warnings of a video
  warning_unknown_words: "{model} does not know: {words}", warning_prompt_empty: "No word of the prompt {prompt} was used. The model reads English.",
  warning_chinese_prompt_empty: "No word of the prompt {prompt} was used: the model reads English, and Chinese characters were deleted.",
  warning_chinese_deleted: "The model reads English. Deleted from the prompt: {characters}", warning_prompt_too_long: "The model read {limit} of {tokens} tokens of the prompt. Left out: {rest}",
  warning_lora_partly_used: "LoRA {name}: {applied} of {total} modules fit the model. Not used: {module}, …", warning_frames_encoded_again: "The frames of the earlier video were encoded again, because {reason}.",
  warning_jpeg_rows_missing: "{param}: the JPEG file is cut off. Its last {missing} of {rows} rows are grey.", warning_jpeg_cut_off: "{param}: the JPEG file is cut off. Its end may lack some pixels.",
  warning_seconds_rounded: "{seconds} s became {frames} frames, which is {length} s at {fps} frames per second.", warning_video_scaled: "The video was scaled from {source} to {size}, the nearest size of {model}.",
  warning_video_reshaped: "The video was scaled from {source} to {size}, the nearest size of {model}. Its shape changed.", warning_video_stretched: "{param}: {source} was stretched to {size}, another shape. An empty size keeps the shape.",
  warning_start_image_resized: "{param}: {source} was stretched to {size}, the size that was chosen for it.", warning_start_image_stretched: "{param}: {source} was stretched to {size}, another shape. Resize to the Start Image keeps the shape.",
  warning_end_image_stretched: "{param}: {source} was stretched to {size}, another shape. Use an image of the shape of the video.", warning_image_stretched: "{param}: {source} was stretched to {size}, another shape. Use one of the shape of the video.",
  warning_shot_image_stretched: "{param}: {source} was stretched to {size}, another shape. Use an image of the shape of the film.", warning_frames_left_out: "The video has {rate} frames per second, {model} has {fps}. Frames were left out.",
  warning_frames_repeated: "The video has {rate} frames per second, {model} has {fps}. Frames were repeated.", warning_first_frames_used: "Of {total} frames of the video the first {frames} were used.",
  warning_hdr_mapped: "The HDR colours of the video ({transfer}) were mapped to SDR.", warning_deinterlaced: "The video is interlaced. Its frames were deinterlaced.",
  warning_frames_lost: "{lost} of {total} frames of the video cannot be decoded. The frames before them are shown longer.", warning_no_previews: "There are no previews: this worker saves memory.",
  warning_draft_not_reused: "The draft was made by another model, device or version, so the video started at step 0 with the same seed.", warning_model_idle: "No worker starts videos of {model} now: {reason}",

  // Reasons of a refusal: the value of a field
  reason_missing: "{param} is missing.", reason_blank: "{param} is blank.", reason_not_text: "{param} must be text.", reason_too_many_characters: "{param} has {count} characters. At most {most} are accepted.", reason_too_many_entries: "{param}: {count} entries. At most {most} are accepted.",
  reason_empty_list: "{param} is empty.", reason_too_small: "{param} must be {bound} or more.", reason_too_large: "{param} must be at most {bound}.", reason_not_above: "{param} must be above {bound}.", reason_not_a_choice: "{param} must be {choices}.",
  reason_not_an_object: "{param} must be an object.", reason_not_a_list: "{param} must be a list.", reason_not_a_file: "{param} must be a file.", reason_not_whole: "{param} must be a whole number.", reason_not_a_number: "{param} must be a number.",
  reason_not_true_or_false: "{param} must be true or false.", reason_repeated_lora: "A LoRA is chosen twice. Choose it once, with the sum of the strengths.",

  // Sizes, lengths and sampling
  reason_side_step: "The {side} must be a multiple of {step}.", reason_side_range: "The {side} must be between {least} and {most} pixels.", reason_too_many_pixels: "{pixels} pixels are too many. The model has at most {most}.",
  reason_half_a_size: "Enter both width and height.", reason_size_format: "Write the size as in {default}.", reason_two_sizes: "Two different sizes were sent.", reason_frame_count: "Use a multiple of {step} frames, at most {most}.", reason_two_lengths: "Use seconds or frames, not both.",
  reason_seconds_range: "Use more than 0 and at most {most} s.", reason_image_for_one_frame: "A start image needs 8 frames or more.", reason_scheduler_unknown: "The model has these schedulers: {choices}.", reason_steps_range: "{scheduler} works with {least} to {most} steps.",
  reason_strength_range: "Use a strength above 0 and at most 1.", reason_strength_too_low: "This strength leaves {scheduler} too few steps. Use {least} or more, or more steps.", reason_strength_keeps_nothing: "Strength 1 keeps nothing of the video. Use 0.7, or a mask that keeps a part.",
  reason_mask_keeps_everything: "The mask keeps everything. Paint what changes.", reason_lora_unknown: "The model has no LoRA {name}.", reason_model_unknown: "There is no model {name}.", reason_fps_fixed: "{model} makes {fps} frames per second.", reason_seed_without_room: "This seed is too large for {count} more.",

  // Inputs
  reason_video_and_image: "A video replaces the start image. Use one of them.", reason_two_start_images: "Two start images were sent.", reason_end_image_alone: "An end image needs a start image.", reason_needs_video: "{field} needs a video to change.",
  reason_resize_without_image: "Resize to the Start Image needs a start image.", reason_resize_and_size: "Resize to the Start Image chooses the size. Leave the size empty.", reason_video_too_short: "The video has {count} frames at {fps} per second. {least} or more are needed.",
  reason_video_too_long: "The video has {count} frames. A video has at most {most}, so extend a shorter one.", reason_images_only: "{model} makes images, no videos.", reason_one_reference: "{param} needs exactly one source.",

  // Drafts and films
  reason_draft_windows: "A draft has one window, and this video has {windows}. Use fewer frames.", reason_draft_one_step: "A draft needs a video of two steps or more.", reason_draft_quality: "A draft needs the quality exact.", reason_draft_steps_range: "Use a whole number between 1 and {most}.", reason_not_a_draft: "This video is no draft.",
  reason_film_unsupported: "{model} makes no films.", reason_film_field: "A film does not have this setting: {field}.", reason_film_remix: "A film has a prompt for each shot. Make a new film with the changed shots.", reason_not_a_film: "The video is no film.", reason_film_shot_unknown: "The film has {count} shots; a remix adds none.", reason_film_prompts_too_long: "The prompts have more than {most} characters together.",
  reason_film_shot_count: "A film has 1 to {most} shots, and this one has {count}.", reason_film_too_long: "{frames} frames are too many. The shots before leave {left} of {most}.", reason_shot_without_length: "Enter the length of the shot.",
  reason_shot_image_overlap: "A shot with a start image begins with a cut.", reason_shot_end_image_alone: "The end image needs a start: a start image, or a transition from the shot before.",
  reason_no_word_left: "The model cannot read this prompt. Describe the video in English.", reason_no_word_left_of_chinese: "This model reads English, and Chinese characters are deleted. Describe the video in English.",

  // Models
  model_easyanimate_v3_tiny: "A small model for plain shapes that move. It makes a clip within seconds, without a GPU.",
  model_EasyAnimateV3_XL_2_InP_512x512: "EasyAnimateV3: videos from words and images, at about 512x512 pixels.",
  model_EasyAnimateV3_XL_2_InP_768x768: "EasyAnimateV3: videos from words and images, at about 768x768 pixels.",
  model_EasyAnimateV3_XL_2_InP_960x960: "EasyAnimateV3: videos from words and images, at about 960x960 pixels.",
};
