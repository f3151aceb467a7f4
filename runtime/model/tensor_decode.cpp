#include "runtime/model/base64.hpp"
#include "runtime/model/exact_json.hpp"
#include "runtime/model/tensor_element.hpp"
#include "runtime/model/tensor_input.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <limits>

namespace tayfa {

namespace {

namespace json = boost::json;

constexpr std::size_t json_depth = 24; ///< eight axes and the enclosing objects

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

/// A client's text for an error message: short and printable.
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
      return tensor_input::images(spec_, value, budget_);
    }
    if (spec_.form == tensor_form::text && !value.is_object()) {
      return tensor_input::texts(spec_, value, budget_);
    }
    const auto* object = value.if_object();
    auto tensor = object != nullptr ? packed(*object) : numbers(value);
    if (tensor) {
      if (auto allowed = check_values(*tensor); !allowed) {
        return fail(std::move(allowed.error()));
      }
    }
    return tensor;
  }
  /// Number of axes whose sizes the value itself shows.
  std::size_t seen() const { return seen_; }

 private:
  tl::unexpected<error> wrong(const std::string& text) const {
    return tensor_input::wrong(spec_, text);
  }
  result<host_tensor> make(std::vector<std::int64_t> shape) {
    return tensor_input::make(spec_, std::move(shape), budget_);
  }

  result<void> check_values(const host_tensor& tensor) const {
    if (!spec_.values) {
      return {};
    }
    const auto width = size_of(spec_.type);
    for (std::size_t at = 0; at < tensor.bytes.size(); at += width) {
      const auto e = load_element(spec_.type, tensor.bytes.data() + at);
      const double value = e.is == element::form::real ? e.real : static_cast<double>(e.whole);
      if (!(value >= spec_.values->min && value <= spec_.values->max)) {
        return wrong("element " + std::to_string(at / width) + " is out of the range from " +
                     plain(spec_.values->min) + " to " + plain(spec_.values->max));
      }
    }
    return {};
  }

  static std::string plain(double value) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
    return {text.data(), end.ptr};
  }

  // ---- nested lists ---------------------------------------------------------------------------

  result<host_tensor> numbers(const json::value& value) {
    std::vector<std::int64_t> shape;
    const json::value* at = &value;
    while (const auto* list = at->if_array()) {
      shape.push_back(static_cast<std::int64_t>(list->size()));
      if (list->empty()) {
        // An empty list hides the axes below it: they get their smallest sizes for now.
        seen_ = shape.size();
        while (shape.size() < spec_.shape.size()) {
          shape.push_back(spec_.shape[shape.size()].min);
        }
        break;
      }
      if (shape.size() > spec_.shape.size()) {
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
    const auto bytes = base64_read(text);
    if (!bytes) {
      return wrong("its data: " + bytes.error().text);
    }
    if (bytes->size() != wanted) {
      return wrong("its data has " + std::to_string(bytes->size()) +
                   " bytes, its dtype and shape "
                   "ask for " +
                   std::to_string(wanted));
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

  const tensor_spec& spec_;
  std::uint64_t& budget_;
  std::size_t seen_ = std::numeric_limits<std::size_t>::max();
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

/// An empty list does not show the sizes of its inner axes; they are taken from other tensors where
/// those show them.
void fit_empty(const model_manifest& manifest, const std::vector<std::size_t>& seen,
               std::vector<host_tensor>& tensors) {
  axis_sizes sizes;
  for (const bool empty : {false, true}) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].bytes.empty() != empty) {
        continue;
      }
      for (std::size_t axis = 0; axis < tensors[i].shape.size(); ++axis) {
        const auto& bounds = manifest.inputs[i].shape[axis];
        const auto known = sizes.find(bounds.name);
        if (!empty) {
          sizes.try_emplace(bounds.name, axis_size{tensors[i].shape[axis], {}});
        } else if (!bounds.name.empty() && known != sizes.end() && axis >= seen[i]) {
          tensors[i].shape[axis] = known->second.size;
        }
      }
    }
  }
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
      const std::string who =
          key == "openai_route" ? "this model does not answer OpenAI's API: it" : "the model";
      return bad(who + " has no input " + shown(key));
    }
  }
  std::uint64_t budget = limits.tensor_bytes;
  std::vector<std::size_t> seen;
  for (const auto& spec : manifest.inputs) {
    const auto* value = object->if_contains(spec.name);
    if (value == nullptr) {
      return bad("input \"" + spec.name + "\" is missing");
    }
    input_decoder decoder{spec, budget};
    auto tensor = decoder.decode(*value);
    if (!tensor) {
      return fail(std::move(tensor.error()));
    }
    seen.push_back(decoder.seen());
    decoded.tensors.push_back(std::move(*tensor));
  }
  fit_empty(manifest, seen, decoded.tensors);
  const auto shapes = shapes_of(decoded.tensors);
  const auto batch = check_batch(manifest.inputs, shapes, std::nullopt, errc::bad_input);
  if (!batch) {
    return fail(batch.error());
  }
  axis_sizes sizes;
  if (auto even = check_axes(manifest.inputs, shapes, sizes, errc::bad_input); !even) {
    return fail(std::move(even.error()));
  }
  decoded.batch = *batch;
  return decoded;
}

} // namespace tayfa
