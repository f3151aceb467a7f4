// Values as Python's repr() writes them. RunPod's SDK makes the text of an error out of whatever a
// handler yields under "error" by str(): of worker-vllm's errors that is the repr of a dict, and
// the only place where its kind of error (404, …) is left.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::api {

/// The JSON of a dict, list, tuple, text, number, True, False or None, nested up to json_depth_max;
/// nothing for any other text. Texts hold no more than `text` has.
std::optional<std::string> json_of_python(std::string_view text);

} // namespace tayfa::api
