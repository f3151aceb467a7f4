#include "runtime/base/json_string.hpp"
#include "runtime/base/utf8.hpp"
#include "runtime/model/base64.hpp"
#include "runtime/model/picture.hpp"
#include "runtime/model/tensor_element.hpp"
#include "runtime/model/tensor_json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace tayfa {

namespace {

/// Appends one output's JSON; errors name the output.
class output_encoder {
 public:
  output_encoder(const tensor_spec& spec, const host_tensor& tensor, const tensor_limits& limits,
                 std::string& out)
      : spec_(spec), tensor_(tensor), limits_(limits), out_(out),
        count_(element_count(tensor.shape).value_or(0)) {}

  result<void> encode(output_format format) {
    if (spec_.form == tensor_form::image) {
      return images();
    }
    if (spec_.form == tensor_form::text && format != output_format::base64 && readable()) {
      return texts();
    }
    switch (format) {
    case output_format::numbers:
      return finite() ? numbers()
                      : wrong("it holds values that are not finite, which JSON numbers cannot "
                              "say; ask for output_format base64");
    case output_format::base64: return packed();
    case output_format::by_size:
      return count_ <= limits_.numbers_max && finite() ? numbers() : packed();
    }
    return {};
  }

 private:
  result<void> wrong(const std::string& text) const {
    return fail(errc::job_failed, "output \"" + spec_.name + "\": " + text);
  }
  result<void> too_large() const {
    return wrong("the job's output is larger than " + std::to_string(limits_.json_bytes) +
                 " bytes");
  }
  bool fits(std::uint64_t more) const {
    return more <= limits_.json_bytes && out_.size() <= limits_.json_bytes - more;
  }
  const std::byte* at(std::uint64_t index) const {
    return tensor_.bytes.data() + index * size_of(tensor_.type);
  }

  bool finite() const {
    for (std::uint64_t i = 0; i < count_; ++i) {
      const auto e = load_element(tensor_.type, at(i));
      if (e.is != element::form::real) {
        return true;
      }
      if (!std::isfinite(e.real)) {
        return false;
      }
    }
    return true;
  }

  // ---- nested lists ---------------------------------------------------------------------------

  result<void> numbers() {
    // Every element takes at least two characters.
    if (!fits(count_ * 2)) {
      return too_large();
    }
    std::uint64_t index = 0;
    return list(tensor_.shape, index) ? result<void>{} : too_large();
  }

  bool list(std::span<const std::int64_t> shape, std::uint64_t& index) {
    if (shape.empty()) {
      number(load_element(tensor_.type, at(index++)));
      return fits(0);
    }
    out_ += '[';
    for (std::int64_t i = 0; i < shape.front(); ++i) {
      if (i > 0) {
        out_ += ',';
      }
      if (!list(shape.subspan(1), index)) {
        return false;
      }
    }
    out_ += ']';
    return true;
  }

  /// The shortest text that reads back as the same number.
  void number(const element& e) {
    std::array<char, 32> text{};
    std::to_chars_result end{};
    const auto last = text.data() + text.size();
    switch (e.is) {
    case element::form::truth: out_ += e.whole != 0 ? "true" : "false"; return;
    case element::form::whole: end = std::to_chars(text.data(), last, e.whole); break;
    case element::form::real:
      end = tensor_.type == dtype::f64
                ? std::to_chars(text.data(), last, e.real)
                : std::to_chars(text.data(), last, static_cast<float>(e.real));
      break;
    }
    out_.append(text.data(), end.ptr);
  }

  // ---- {"dtype", "shape", "data"} -------------------------------------------------------------

  result<void> packed() {
    if (!fits(tensor_.bytes.size() / 3 * 4 + 512)) {
      return too_large();
    }
    out_ += "{\"dtype\":\"";
    out_ += to_string(tensor_.type);
    out_ += "\",\"shape\":[";
    for (std::size_t axis = 0; axis < tensor_.shape.size(); ++axis) {
      out_ += (axis > 0 ? "," : "") + std::to_string(tensor_.shape[axis]);
    }
    out_ += "],\"data\":\"";
    base64_append(out_, tensor_.bytes);
    out_ += "\"}";
    return {};
  }

  // ---- texts ----------------------------------------------------------------------------------

  std::uint64_t texts_count() const {
    return tensor_.shape.size() == 2 ? static_cast<std::uint64_t>(tensor_.shape[0]) : 1;
  }
  std::string_view written(std::uint64_t index) const {
    const auto longest = static_cast<std::size_t>(tensor_.shape.back());
    const auto* const first = reinterpret_cast<const char*>(tensor_.bytes.data());
    const std::string_view whole{longest > 0 ? first + index * longest : first, longest};
    return whole.substr(0, whole.find_last_not_of('\0') + 1);
  }
  /// Invalid UTF-8 cannot be a JSON text; such outputs are encoded like other tensors.
  bool readable() const {
    for (std::uint64_t i = 0; i < texts_count(); ++i) {
      if (!text::is_utf8(written(i))) {
        return false;
      }
    }
    return true;
  }

  result<void> texts() {
    const bool several = tensor_.shape.size() == 2;
    out_ += several ? "[" : "";
    for (std::uint64_t i = 0; i < texts_count(); ++i) {
      out_ += i > 0 ? "," : "";
      text::append_json_string(out_, written(i), text::json_escapes::dangerous);
      if (!fits(0)) {
        return too_large();
      }
    }
    out_ += several ? "]" : "";
    return {};
  }

  // ---- pictures -------------------------------------------------------------------------------

  result<void> images() {
    const auto batch = tensor_.shape[0];
    if (batch != 1) {
      out_ += '[';
    }
    for (std::int64_t i = 0; i < batch; ++i) {
      if (i > 0) {
        out_ += ',';
      }
      if (auto done = image(static_cast<std::size_t>(i)); !done) {
        return done;
      }
    }
    if (batch != 1) {
      out_ += ']';
    }
    return {};
  }

  result<void> image(std::size_t index) {
    picture to;
    to.channels = static_cast<std::uint32_t>(tensor_.shape[1]);
    to.height = static_cast<std::uint32_t>(tensor_.shape[2]);
    to.width = static_cast<std::uint32_t>(tensor_.shape[3]);
    const std::size_t plane = std::size_t{to.width} * to.height;
    to.pixels.resize(plane * to.channels);
    for (std::size_t c = 0; c < to.channels; ++c) {
      const std::uint64_t first = (index * to.channels + c) * plane;
      for (std::size_t i = 0; i < plane; ++i) {
        const auto level = pixel(first + i);
        if (level < 0) {
          return wrong("a pixel is not a number");
        }
        to.pixels[i * to.channels + c] = static_cast<std::uint8_t>(level);
      }
    }
    const auto png = encode_png(to);
    if (!png) {
      return wrong(png.error().text);
    }
    if (!fits(png->size() / 3 * 4 + 8)) {
      return too_large();
    }
    out_ += '"';
    base64_append(out_, *png);
    out_ += '"';
    return {};
  }

  /// 0 to 255, or -1 for NaN.
  int pixel(std::uint64_t index) const {
    if (tensor_.type == dtype::u8) {
      return std::to_integer<int>(tensor_.bytes[index]);
    }
    const double value = load_element(tensor_.type, at(index)).real / spec_.scale;
    if (std::isnan(value)) {
      return -1;
    }
    return static_cast<int>(std::floor(std::clamp(value, 0.0, 255.0) + 0.5));
  }

  const tensor_spec& spec_;
  const host_tensor& tensor_;
  const tensor_limits& limits_;
  std::string& out_;
  std::uint64_t count_;
};

} // namespace

result<std::string> encode_outputs(const model_manifest& manifest,
                                   std::span<const host_tensor> tensors, output_format format,
                                   const tensor_limits& limits) {
  if (tensors.size() != manifest.outputs.size()) {
    return fail(errc::job_failed, "the model gave " + std::to_string(tensors.size()) +
                                      " outputs, the manifest promises " +
                                      std::to_string(manifest.outputs.size()));
  }
  std::string out = "{";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& spec = manifest.outputs[i];
    const auto& tensor = tensors[i];
    if (auto checked = check_tensor(spec, tensor.type, tensor.shape, errc::job_failed); !checked) {
      return fail(checked.error());
    }
    if (tensor.bytes.size() != element_count(tensor.shape).value_or(0) * size_of(tensor.type)) {
      return fail(errc::internal, "output \"" + spec.name + "\" has not the bytes of its shape");
    }
    out += i > 0 ? ",\"" : "\"";
    out += spec.name;
    out += "\":";
    if (auto encoded = output_encoder{spec, tensor, limits, out}.encode(format); !encoded) {
      return fail(encoded.error());
    }
  }
  out += '}';
  return out;
}

} // namespace tayfa
