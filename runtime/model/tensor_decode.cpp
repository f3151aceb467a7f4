#include "runtime/model/base64.hpp"
#include "runtime/model/exact_json.hpp"
#include "runtime/model/picture.hpp"
#include "runtime/model/tensor_element.hpp"
#include "runtime/model/tensor_json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstring>

namespace tayfa {

namespace {

namespace json = boost::json;

constexpr std::size_t json_depth = 24; ///< eight axes and the objects around them

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

/// A client's own text in an error: short and printable.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 48)) {
    out += c >= ' ' && c < 127 && c != '"' && c != '\\' ? c : '?';
  }
  return "\"" + out + (text.size() > 48 ? "…\"" : "\"");
}

auto bad(std::string text) {
  return fail(errc::bad_input, std::move(text));
}

/// Decodes one input; every error names it.
class input_decoder {
 public:
  input_decoder(const tensor_spec& spec, std::uint64_t& budget) : spec_(spec), budget_(budget) {}

  result<host_tensor> decode(const json::value& value) {
    if (spec_.form == tensor_form::image) {
      return images(value);
    }
    if (const auto* object = value.if_object()) {
      return packed(*object);
    }
    return numbers(value);
  }

 private:
  tl::unexpected<error> wrong(const std::string& text) const {
    return bad("input \"" + spec_.name + "\": " + text);
  }

  result<host_tensor> make(std::vector<std::int64_t> shape) {
    if (auto checked = check_tensor(spec_, spec_.type, shape, errc::bad_input); !checked) {
      return fail(std::move(checked.error()));
    }
    const auto count = element_count(shape);
    const std::size_t width = size_of(spec_.type);
    if (!count || *count > budget_ / width) {
      return wrong("it is too large");
    }
    budget_ -= *count * width;
    return host_tensor{spec_.type, std::move(shape), std::vector<std::byte>(*count * width)};
  }

  // ---- nested lists ---------------------------------------------------------------------------

  result<host_tensor> numbers(const json::value& value) {
    std::vector<std::int64_t> shape;
    const json::value* at = &value;
    while (const auto* list = at->if_array()) {
      shape.push_back(static_cast<std::int64_t>(list->size()));
      if (list->empty() || shape.size() > spec_.shape.size()) {
        break;
      }
      at = &list->front();
    }
    auto tensor = make(std::move(shape));
    if (!tensor) {
      return tensor;
    }
    std::byte* to = tensor->bytes.data();
    if (auto filled = fill(value, tensor->shape, to); !filled) {
      return fail(std::move(filled.error()));
    }
    return tensor;
  }

  result<void> fill(const json::value& value, std::span<const std::int64_t> shape, std::byte*& to) {
    if (shape.empty()) {
      return fill_one(value, to);
    }
    const auto* list = value.if_array();
    if (list == nullptr || list->size() != static_cast<std::size_t>(shape.front())) {
      return wrong("its lists are ragged: those at one depth must all have the same length");
    }
    for (const auto& member : *list) {
      if (auto filled = fill(member, shape.subspan(1), to); !filled) {
        return filled;
      }
    }
    return {};
  }

  result<void> fill_one(const json::value& value, std::byte*& to) {
    element e;
    if (const auto* whole = value.if_int64()) {
      e = {element::form::whole, *whole, 0};
    } else if (const auto* large = value.if_uint64()) {
      e = {element::form::real, 0, static_cast<double>(*large)};
    } else if (const auto* real = value.if_double()) {
      e = {element::form::real, 0, *real};
    } else if (const auto* truth = value.if_bool()) {
      e = {element::form::truth, *truth ? 1 : 0, 0};
    } else if (value.is_array()) {
      return wrong("its lists are ragged: some are deeper than others");
    } else {
      return wrong("it must be nested lists of numbers, or an object with dtype, shape and data");
    }
    if (!store_element(spec_.type, e, to)) {
      return wrong("a value does not fit " + std::string{to_string(spec_.type)});
    }
    to += size_of(spec_.type);
    return {};
  }

  // ---- {"dtype", "shape", "data"} -------------------------------------------------------------

  result<host_tensor> packed(const json::object& object) {
    for (const auto& member : object) {
      const std::string_view key{member.key().data(), member.key().size()};
      if (key != "dtype" && key != "shape" && key != "data") {
        return wrong("unknown key " + shown(key));
      }
    }
    const auto* type_text = object.if_contains("dtype");
    const auto type = type_text != nullptr && type_text->is_string()
                          ? dtype_from(view(type_text->get_string()))
                          : std::nullopt;
    if (!type) {
      return wrong("its dtype must be one of uint8 int8 int16 int32 int64 float16 bfloat16 float32 "
                   "float64 bool");
    }
    auto shape = read_shape(object.if_contains("shape"));
    if (!shape) {
      return fail(std::move(shape.error()));
    }
    const auto* data = object.if_contains("data");
    if (data == nullptr || !data->is_string()) {
      return wrong("its data must be base64 text");
    }
    auto tensor = make(std::move(*shape));
    if (!tensor) {
      return tensor;
    }
    const auto text = view(data->get_string());
    const std::size_t count = tensor->bytes.size() / size_of(spec_.type);
    const std::size_t wanted = count * size_of(*type);
    if (text.size() != (wanted + 2) / 3 * 4) {
      return wrong("its data has not the length that its dtype and shape ask for");
    }
    auto bytes = base64_decode(text);
    if (!bytes) {
      return wrong("its data is not valid base64");
    }
    if (bytes->size() != wanted) {
      return wrong("its data has not the length that its dtype and shape ask for");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const auto e = load_element(*type, bytes->data() + i * size_of(*type));
      if (!store_element(spec_.type, e, tensor->bytes.data() + i * size_of(spec_.type))) {
        return wrong("a value does not fit " + std::string{to_string(spec_.type)});
      }
    }
    return tensor;
  }

  result<std::vector<std::int64_t>> read_shape(const json::value* value) const {
    const auto* list = value != nullptr ? value->if_array() : nullptr;
    if (list == nullptr || list->size() > 8) {
      return wrong("its shape must be a list of at most 8 sizes");
    }
    std::vector<std::int64_t> shape;
    for (const auto& size : *list) {
      if (!size.is_int64()) {
        return wrong("its shape must be a list of whole numbers");
      }
      shape.push_back(size.get_int64());
    }
    return shape;
  }

  // ---- pictures -------------------------------------------------------------------------------

  result<host_tensor> images(const json::value& value) {
    std::vector<std::string_view> texts;
    if (const auto* one = value.if_string()) {
      texts.push_back(view(*one));
    } else if (const auto* list = value.if_array(); list != nullptr && !list->empty()) {
      for (const auto& member : *list) {
        if (!member.is_string()) {
          return wrong("its list must hold base64 texts of pictures");
        }
        texts.push_back(view(member.get_string()));
      }
    } else {
      return wrong("it must be base64 text of a PNG or JPEG picture, or a list of such texts");
    }
    if (auto table = make_levels(); !table) {
      return fail(std::move(table.error()));
    }
    result<host_tensor> tensor{host_tensor{}};
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (auto added = add_image(texts[i], i, texts.size(), tensor); !added) {
        return fail(std::move(added.error()));
      }
    }
    return tensor;
  }

  /// What each pixel value becomes in the tensor.
  result<void> make_levels() {
    for (std::size_t level = 0; level < levels_.size(); ++level) {
      const element e =
          spec_.type == dtype::u8
              ? element{element::form::whole, static_cast<std::int64_t>(level), 0}
              : element{element::form::real, 0, static_cast<double>(level) * spec_.scale};
      if (!store_element(spec_.type, e, levels_[level].data())) {
        return fail(errc::model_invalid,
                    "manifest: the scale of \"" + spec_.name + "\" does not fit its dtype");
      }
    }
    return {};
  }

  /// The first picture's size decides the tensor's shape; it is checked before a pixel is decoded.
  result<void> add_image(std::string_view text, std::size_t index, std::size_t count,
                         result<host_tensor>& tensor) {
    const auto bytes = base64_decode(without_data_url(text));
    if (!bytes) {
      return wrong("picture " + std::to_string(index) + " is not valid base64");
    }
    const std::int64_t channels = spec_.shape[1].min;
    const size_check check = [&](std::uint32_t width, std::uint32_t height) -> result<void> {
      if (index > 0) {
        const bool same = tensor->shape[2] == height && tensor->shape[3] == width;
        return same ? result<void>{} : bad("the pictures of one input must have one size");
      }
      tensor = make({static_cast<std::int64_t>(count), channels, height, width});
      return tensor ? result<void>{} : fail(tensor.error());
    };
    const auto picture = decode_picture(*bytes, static_cast<std::uint32_t>(channels), check);
    if (!picture) {
      return index == 0 && !tensor
                 ? fail(tensor.error())
                 : wrong("picture " + std::to_string(index) + ": " + picture.error().text);
    }
    switch (size_of(spec_.type)) {
    case 1: spread<std::uint8_t>(*picture, index, *tensor); break;
    case 2: spread<std::uint16_t>(*picture, index, *tensor); break;
    case 4: spread<std::uint32_t>(*picture, index, *tensor); break;
    default: spread<std::uint64_t>(*picture, index, *tensor); break;
    }
    return {};
  }

  static std::string_view without_data_url(std::string_view text) {
    for (const std::string_view head :
         {"data:image/png;base64,", "data:image/jpeg;base64,", "data:image/jpg;base64,"}) {
      if (text.starts_with(head)) {
        return text.substr(head.size());
      }
    }
    return text;
  }

  /// Channels together become planes.
  template <class Bits>
  void spread(const picture& from, std::size_t index, host_tensor& to) const {
    std::array<Bits, 256> levels;
    for (std::size_t level = 0; level < levels.size(); ++level) {
      std::memcpy(&levels[level], levels_[level].data(), sizeof(Bits));
    }
    const std::size_t plane = std::size_t{from.width} * from.height;
    std::byte* const start = to.bytes.data() + index * plane * from.channels * sizeof(Bits);
    for (std::size_t c = 0; c < from.channels; ++c) {
      const std::uint8_t* in = from.pixels.data() + c;
      std::byte* out = start + c * plane * sizeof(Bits);
      for (std::size_t i = 0; i < plane; ++i, in += from.channels, out += sizeof(Bits)) {
        std::memcpy(out, &levels[*in], sizeof(Bits));
      }
    }
  }

  const tensor_spec& spec_;
  std::uint64_t& budget_;
  std::array<std::array<std::byte, 8>, 256> levels_{};
};

result<output_format> read_options(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return bad("\"options\" must be an object");
  }
  output_format format = output_format::by_size;
  for (const auto& member : *object) {
    const std::string_view key{member.key().data(), member.key().size()};
    if (key != "output_format") {
      return bad("options: unknown key " + shown(key));
    }
    const auto* text = member.value().if_string();
    if (text == nullptr || (view(*text) != "numbers" && view(*text) != "base64")) {
      return bad("options: \"output_format\" must be \"numbers\" or \"base64\"");
    }
    format = view(*text) == "numbers" ? output_format::numbers : output_format::base64;
  }
  return format;
}

} // namespace

result<decoded_input> decode_inputs(const model_manifest& manifest, std::string_view text,
                                    const tensor_limits& limits) {
  const auto parsed = parse_json(text, {std::size_t{96} << 20, json_depth}, errc::bad_input);
  if (!parsed) {
    return fail(parsed.error());
  }
  const auto* object = parsed->if_object();
  if (object == nullptr) {
    return bad("the input must be an object with one member for each input of the model");
  }
  decoded_input decoded;
  for (const auto& member : *object) {
    const std::string_view key{member.key().data(), member.key().size()};
    if (key == "options") {
      const auto format = read_options(member.value());
      if (!format) {
        return fail(format.error());
      }
      decoded.format = *format;
      continue;
    }
    if (std::none_of(manifest.inputs.begin(), manifest.inputs.end(),
                     [key](const tensor_spec& spec) { return spec.name == key; })) {
      return bad("the model has no input " + shown(key));
    }
  }
  std::uint64_t budget = limits.tensor_bytes;
  std::vector<std::vector<std::int64_t>> shapes;
  for (const auto& spec : manifest.inputs) {
    const auto* value = object->if_contains(spec.name);
    if (value == nullptr) {
      return bad("input \"" + spec.name + "\" is missing");
    }
    auto tensor = input_decoder{spec, budget}.decode(*value);
    if (!tensor) {
      return fail(std::move(tensor.error()));
    }
    shapes.push_back(tensor->shape);
    decoded.tensors.push_back(std::move(*tensor));
  }
  const auto batch = check_batch(manifest.inputs, shapes, std::nullopt, errc::bad_input);
  if (!batch) {
    return fail(batch.error());
  }
  decoded.batch = *batch;
  return decoded;
}

} // namespace tayfa
