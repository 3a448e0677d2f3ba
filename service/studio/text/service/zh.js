// What the service says, in Chinese: warnings, reasons of refusals, errors and failures, by their codes.

export default {
  width: "宽度", height: "高度",

  // Warnings of a video
  warning_unknown_words: "{model} 不认识这些词：{words}", warning_prompt_empty: "提示词 {prompt} 中没有可用的词。模型只读英文。",
  warning_chinese_prompt_empty: "提示词 {prompt} 中没有可用的词：模型只读英文，中文已被删除。",
  warning_chinese_deleted: "模型只读英文。已从提示词中删除：{characters}", warning_prompt_too_long: "提示词有 {tokens} 个 token，模型只读 {limit} 个。未读部分：{rest}",
  warning_lora_partly_used: "LoRA {name}：{total} 个模块中有 {applied} 个适合此模型。未使用：{module}…", warning_frames_encoded_again: "原视频的帧无法直接复制，已重新编码。",
  warning_jpeg_rows_missing: "{param}：JPEG 文件不完整，{rows} 行中的最后 {missing} 行为灰色。", warning_jpeg_cut_off: "{param}：JPEG 文件不完整，末尾可能缺少一些像素。",
  warning_seconds_rounded: "{seconds} 秒已调整为 {frames} 帧，即每秒 {fps} 帧时的 {length} 秒。", warning_video_scaled: "视频已从 {source} 缩放为 {size}，这是 {model} 最接近的尺寸。",
  warning_video_reshaped: "视频已从 {source} 缩放为 {size}，这是 {model} 最接近的尺寸，画面比例有变化。", warning_video_stretched: "{param}：{source} 已拉伸为 {size}，画面比例有变化。尺寸留空可保持比例。",
  warning_start_image_resized: "{param}：{source} 已拉伸为 {size}，这是为它选择的尺寸。", warning_start_image_stretched: "{param}：{source} 已拉伸为 {size}，画面比例有变化。使用“按首帧图片调整尺寸”可保持比例。",
  warning_end_image_stretched: "{param}：{source} 已拉伸为 {size}，画面比例有变化。请使用与视频比例相同的图片。", warning_image_stretched: "{param}：{source} 已拉伸为 {size}，画面比例有变化。请使用与视频比例相同的文件。",
  warning_shot_image_stretched: "{param}：{source} 已拉伸为 {size}，画面比例有变化。请使用与影片比例相同的图片。", warning_frames_left_out: "视频每秒 {rate} 帧，{model} 每秒 {fps} 帧，已省略部分帧。",
  warning_frames_repeated: "视频每秒 {rate} 帧，{model} 每秒 {fps} 帧，已重复部分帧。", warning_first_frames_used: "视频共 {total} 帧，只使用前 {frames} 帧。",
  warning_hdr_mapped: "视频的 HDR 颜色（{transfer}）已映射为 SDR。", warning_deinterlaced: "视频为隔行扫描，已去隔行。",
  warning_frames_lost: "视频的 {total} 帧中有 {lost} 帧无法解码，它们之前的帧显示更久。", warning_no_previews: "没有预览：此 worker 正在节省内存。",
  warning_draft_not_reused: "草稿由其他模型、设备或版本生成，因此视频用相同种子从第 0 步开始。", warning_model_idle: "现在没有 worker 开始 {model} 的视频：{reason}",

  // Reasons of a refusal: the value of a field
  reason_missing: "缺少{param}。", reason_blank: "{param}为空。", reason_not_text: "{param}必须是文字。", reason_too_many_characters: "{param}有 {count} 个字符，最多 {most} 个。", reason_too_many_entries: "{param}：共 {count} 项，最多 {most} 项。",
  reason_empty_list: "{param}为空。", reason_too_small: "{param}必须为 {bound} 或更大。", reason_too_large: "{param}最大为 {bound}。", reason_not_above: "{param}必须大于 {bound}。", reason_not_a_choice: "{param}必须是以下之一：{choices}。",
  reason_not_an_object: "{param}必须是一个对象。", reason_not_a_list: "{param}必须是一个列表。", reason_not_a_file: "{param}必须是一个文件。", reason_not_whole: "{param}必须是整数。", reason_not_a_number: "{param}必须是数字。",
  reason_not_true_or_false: "{param}必须为 true 或 false。", reason_repeated_lora: "同一个 LoRA 选择了两次。请只选一次，强度取两者之和。",

  // Sizes, lengths and sampling
  reason_side_step: "{side}必须是 {step} 的倍数。", reason_side_range: "{side}必须在 {least} 到 {most} 像素之间。", reason_too_many_pixels: "{pixels} 像素太多，此模型最多 {most} 像素。",
  reason_half_a_size: "请同时填写宽度和高度。", reason_size_format: "请按 {default} 的格式填写尺寸。", reason_two_sizes: "填写了两个不同的尺寸。", reason_frame_count: "请使用 {step} 的倍数帧，最多 {most} 帧。", reason_two_lengths: "请只使用秒或帧中的一种。",
  reason_seconds_range: "请使用大于 0 且不超过 {most} 秒的时长。", reason_image_for_one_frame: "使用首帧图片时至少需要 8 帧。", reason_scheduler_unknown: "此模型有这些调度器：{choices}。", reason_steps_range: "{scheduler} 可用 {least} 到 {most} 步。",
  reason_strength_range: "请使用大于 0 且不超过 1 的强度。", reason_strength_too_low: "此强度留给 {scheduler} 的步数太少。请使用 {least} 或更大，或增加步数。", reason_strength_keeps_nothing: "强度为 1 时不保留原视频。请使用 0.7，或使用保留一部分的遮罩。",
  reason_mask_keeps_everything: "遮罩保留了全部画面。请涂抹要修改的区域。", reason_lora_unknown: "此模型没有 LoRA {name}。", reason_model_unknown: "没有模型 {name}。", reason_fps_fixed: "{model} 每秒 {fps} 帧。", reason_seed_without_room: "此种子太大，后面还需要 {count} 个。",

  // Inputs
  reason_video_and_image: "视频会代替首帧图片，请只使用其中一个。", reason_two_start_images: "发送了两张首帧图片。", reason_end_image_alone: "尾帧图片需要首帧图片。", reason_needs_video: "{field}需要一个要修改的视频。",
  reason_resize_without_image: "“按首帧图片调整尺寸”需要首帧图片。", reason_resize_and_size: "“按首帧图片调整尺寸”会决定尺寸，请将尺寸留空。", reason_video_too_short: "视频按每秒 {fps} 帧只有 {count} 帧，至少需要 {least} 帧。",
  reason_video_too_long: "视频有 {count} 帧。视频最多 {most} 帧，请续写较短的视频。", reason_images_only: "{model} 只生成图片，不生成视频。", reason_one_reference: "{param}需要且只需要一个来源。",

  // Drafts and films
  reason_draft_windows: "草稿只有一个窗口，而此视频有 {windows} 个。请减少帧数。", reason_draft_one_step: "草稿需要至少两步的视频。", reason_draft_quality: "草稿需要质量为 exact（精确）。", reason_draft_steps_range: "请使用 1 到 {most} 之间的整数。", reason_not_a_draft: "此视频不是草稿。",
  reason_film_unsupported: "{model} 不能生成影片。", reason_film_field: "影片没有此设置：{field}。", reason_film_remix: "影片的每个镜头都有自己的提示词。请用修改后的镜头创建新影片。", reason_not_a_film: "该视频不是影片。", reason_film_shot_unknown: "该影片有 {count} 个镜头；改写不会增加镜头。", reason_film_prompts_too_long: "所有提示词合计超过 {most} 个字符。",
  reason_film_shot_count: "影片可有 1 到 {most} 个镜头，现在有 {count} 个。", reason_film_too_long: "{frames} 帧太多。前面的镜头之后还剩 {left} 帧，共 {most} 帧。", reason_shot_without_length: "请填写镜头的时长。",
  reason_shot_image_overlap: "有首帧图片的镜头以直接切换开头。", reason_shot_end_image_alone: "尾帧图片需要开头：首帧图片，或从上一个镜头过渡。",
  reason_no_word_left: "模型无法读懂此提示词。请用英文描述视频。", reason_no_word_left_of_chinese: "此模型只读英文，中文会被删除。请用英文描述视频。",

  // Errors without such a reason
  problem_invalid_request: "服务不接受此请求。", problem_unknown_parameter: "服务不认识此参数。", problem_prompt_not_understood: "模型无法读懂此提示词。请用英文描述视频。", problem_invalid_size: "此模型没有这个尺寸。", problem_invalid_seconds: "此模型没有这个时长。", problem_invalid_shots: "服务不接受此镜头。",
  problem_unsupported_image: "服务无法把此文件读作图片。", problem_unsupported_video: "服务无法把此文件读作视频。", problem_unsupported_file: "服务无法读取此类文件。", problem_image_fetch_failed: "无法获取图片链接。请上传文件。", problem_video_fetch_failed: "无法获取视频链接。请上传文件。",
  problem_url_not_allowed: "此链接不能使用，请使用公开的 https 链接。", problem_too_many_endpoints: "webhook 接收端已达到上限，请删除一个。", problem_too_many_files: "文件已达到上限。请删除一些，或等它们过期。", problem_webhook_unreachable: "webhook 接收端没有响应。",
  problem_invalid_api_key: "请输入密钥以继续。", problem_forbidden: "没有权限，或链接已过期。", problem_moderation_refused: "服务的内容审核拒绝了此请求。", problem_delivery_not_found: "此投递不存在。", problem_file_not_found: "文件不存在，可能已过期。请重新上传。",
  problem_lora_not_found: "此模型没有该 LoRA。", problem_model_not_found: "没有该模型。", problem_not_found: "此地址不存在。", problem_playlist_not_found: "此视频只有一个窗口，没有播放列表。", problem_video_not_found: "此视频不存在。", problem_webhook_endpoint_not_found: "此 webhook 接收端不存在。",
  problem_worker_not_found: "此 worker 不存在。", problem_method_not_allowed: "此地址不支持该方法。", problem_idempotency_in_flight: "相同的请求正在处理，请稍后重试。", problem_not_cancellable: "视频已经结束，无法取消。", problem_record_unreadable: "此版本无法读取该视频的记录。请联系管理员。",
  problem_video_not_ready: "视频还没有完成。", problem_video_not_waiting: "视频已不在排队，无法修改。", problem_webhook_endpoint_disabled: "此 webhook 接收端已停用。", problem_asset_expired: "文件已过期。", problem_payload_too_large: "请求太大，请使用较小的文件。",
  problem_unsupported_media_type: "服务不接受此类请求。", problem_range_not_satisfiable: "文件没有请求的范围。", problem_idempotency_key_reused: "此幂等键已用于另一个请求。", problem_queue_full: "等待的视频太多，请稍后重试。", problem_rate_limited: "已达到此密钥的限额，请稍后重试。",
  problem_internal_error: "发生了意外错误。", problem_decoder_unavailable: "图片和视频的解码器没有启动，请稍后重试。", problem_draining: "服务正在停止，请稍后重试。", problem_model_unavailable: "还没有可用的模型。请启动一个 worker。", problem_not_durable: "队列没有及时写入磁盘，请重试。",
  problem_queue_unavailable: "队列没有响应，请稍后重试。", problem_storage_unavailable: "对象存储没有响应，请稍后重试。",

  // Failures of a video
  failure_gpu_out_of_memory: "设备内存不足，请减少帧数或尺寸。", failure_worker_lost: "每次尝试都失去了 worker。", failure_poison_job: "此请求使每个运行它的 worker 退出。", failure_deadline_exceeded: "视频没有在截止时间前完成。", failure_execution_timeout: "引擎太久没有消息，已被停止。",
  failure_cancelled: "视频已取消。", failure_storage_unavailable: "无法存储完成的视频。", failure_model_unavailable: "无法加载模型。", failure_model_retired: "管理员已停用此视频的模型。", failure_invalid_output: "模型生成的数值不是图片。", failure_invalid_video: "无法解码原视频，请使用完整的 MP4。",
  failure_invalid_lora: "有 LoRA 不能用于此模型。", failure_moderation_refused: "服务的内容审核拒绝了此视频。", failure_internal_error: "发生了意外错误，详情在管理员的日志中。",

  // Models
  model_easyanimate_v3_tiny: "小模型，只会生成运动的简单图形。每段视频只需几秒，不需要 GPU。",
  model_EasyAnimateV3_XL_2_InP_512x512: "EasyAnimateV3：由文字和图片生成视频，面积约为 512x512 像素。",
  model_EasyAnimateV3_XL_2_InP_768x768: "EasyAnimateV3：由文字和图片生成视频，面积约为 768x768 像素。",
  model_EasyAnimateV3_XL_2_InP_960x960: "EasyAnimateV3：由文字和图片生成视频，面积约为 960x960 像素。",
};
