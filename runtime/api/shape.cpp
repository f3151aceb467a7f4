#include "runtime/api/shape.hpp"

#include "runtime/api/json_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

namespace tayfa::api {

namespace {

constexpr std::size_t small_input_bytes = 4096;

enum class grain { exact, power_of_two };

/// Names that mean the same share a word of the shape; the first row that is there speaks for it.
struct cost_member {
  std::string_view key;
  std::string_view word;
  grain keep;
};

constexpr std::array cost_members{
    cost_member{"width", "width", grain::exact},
    cost_member{"height", "height", grain::exact},
    cost_member{"num_inference_steps", "steps", grain::exact},
    cost_member{"steps", "steps", grain::exact},
    cost_member{"num_images", "images", grain::exact},
    cost_member{"num_images_per_prompt", "images", grain::exact},
    cost_member{"num_outputs", "images", grain::exact},
    cost_member{"batch_size", "batch", grain::exact},
    cost_member{"n_iter", "rounds", grain::exact},
    cost_member{"num_frames", "frames", grain::exact},
    cost_member{"frames", "frames", grain::exact},
    cost_member{"upscale", "scale", grain::exact},
    cost_member{"scale", "scale", grain::exact},
    cost_member{"max_new_tokens", "tokens", grain::power_of_two},
    cost_member{"max_tokens", "tokens", grain::power_of_two},
    cost_member{"duration", "duration", grain::power_of_two},
};

/// 512, 512.0 and 5.12e2 are one number.
std::string number_text(double number, grain keep) {
  if (keep == grain::power_of_two && number > 0) {
    number = std::exp2(std::ceil(std::log2(number)));
  }
  std::array<char, 32> digits{};
  const auto [end, ec] = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                                       std::chars_format::general, 6);
  return ec == std::errc{} ? std::string{digits.data(), end} : std::string{};
}

std::string bytes_text(std::size_t bytes) {
  const std::size_t kib = std::bit_ceil(std::max(bytes, small_input_bytes)) / 1024;
  return kib < 1024 ? std::to_string(kib) + "K" : std::to_string(kib / 1024) + "M";
}

std::optional<double> number_at(const std::vector<json_member>& members, std::string_view key) {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [key](const json_member& each) { return each.key == key; });
  return found == members.end() ? std::nullopt : json_number(found->value);
}

} // namespace

std::string shape_of(std::string_view input) {
  std::string shape;
  std::string_view last; // rows of one word stand together
  const auto members = json_members(input);
  if (members) {
    for (const auto& row : cost_members) {
      const auto number = row.word == last ? std::nullopt : number_at(*members, row.key);
      if (number) {
        shape.append(row.word).append("=").append(number_text(*number, row.keep)).append(",");
        last = row.word;
      }
    }
  }
  return shape.append("bytes=").append(bytes_text(input.size()));
}

} // namespace tayfa::api
