// Decodes pictures and texts of a job's input.
#include "runtime/model/base64.hpp"
#include "runtime/model/picture.hpp"
#include "runtime/model/tensor_element.hpp"
#include "runtime/model/tensor_input.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cstring>

namespace tayfa::tensor_input {

namespace {

namespace json = boost::json;

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

class image_decoder {
 public:
  image_decoder(const tensor_spec& spec, std::uint64_t& budget) : spec_(spec), budget_(budget) {}

  result<host_tensor> images(const json::value& value) {
    std::vector<std::string_view> texts;
    if (const auto* one = value.if_string()) {
      texts.push_back(view(*one));
    } else if (const auto* list = value.if_array(); list != nullptr) {
      if (list->empty()) {
        return make({0, spec_.shape[1].min, spec_.shape[2].min, spec_.shape[3].min});
      }
      for (const auto& member : *list) {
        if (!member.is_string()) {
          return wrong("its list must hold base64 texts of pictures");
        }
        texts.push_back(view(member.get_string()));
      }
    } else {
      return wrong("it must be base64 text of a picture, or a list of such texts");
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

 private:
  /// Precomputes the tensor element of each pixel value.
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

  /// The first picture's size determines the tensor's shape; it is checked before a pixel is
  /// decoded.
  result<void> add_image(std::string_view text, std::size_t index, std::size_t count,
                         result<host_tensor>& tensor) {
    const auto bytes = base64_read(text);
    if (!bytes) {
      return wrong("picture " + std::to_string(index) + ": " + bytes.error().text);
    }
    const std::int64_t channels = spec_.shape[1].min;
    const size_check check = [&](std::uint32_t width, std::uint32_t height) -> result<void> {
      if (index > 0) {
        const bool same = tensor->shape[2] == height && tensor->shape[3] == width;
        return same ? result<void>{}
                    : fail(errc::bad_input, "the pictures of one input must have one size");
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

  /// Converts interleaved channels to planes.
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

  tl::unexpected<error> wrong(const std::string& text) const {
    return tensor_input::wrong(spec_, text);
  }
  result<host_tensor> make(std::vector<std::int64_t> shape) {
    return tensor_input::make(spec_, std::move(shape), budget_);
  }

  const tensor_spec& spec_;
  std::uint64_t& budget_;
  std::array<std::array<std::byte, 8>, 256> levels_{};
};

} // namespace

tl::unexpected<error> wrong(const tensor_spec& spec, const std::string& text) {
  return fail(errc::bad_input, "input \"" + spec.name + "\": " + text);
}

result<host_tensor> make(const tensor_spec& spec, std::vector<std::int64_t> shape,
                         std::uint64_t& budget) {
  if (auto checked = check_tensor(spec, spec.type, shape, errc::bad_input); !checked) {
    return fail(std::move(checked.error()));
  }
  const auto count = element_count(shape);
  const std::size_t width = size_of(spec.type);
  if (!count || *count > budget / width) {
    return wrong(spec, "it is too large");
  }
  budget -= *count * width;
  return host_tensor{spec.type, std::move(shape), std::vector<std::byte>(*count * width)};
}

result<host_tensor> images(const tensor_spec& spec, const json::value& value,
                           std::uint64_t& budget) {
  return image_decoder{spec, budget}.images(value);
}

result<host_tensor> texts(const tensor_spec& spec, const json::value& value,
                          std::uint64_t& budget) {
  const bool several = spec.shape.size() == 2;
  std::vector<std::string_view> all;
  const auto* list = value.if_array();
  if (const auto* one = value.if_string()) {
    all.push_back(view(*one));
  } else if (list != nullptr && several) {
    for (const auto& member : *list) {
      if (!member.is_string()) {
        return wrong(spec, "its list must hold texts");
      }
      all.push_back(view(member.get_string()));
    }
  } else {
    return wrong(spec, several ? "it must be a text or a list of texts" : "it must be a text");
  }
  std::size_t longest = static_cast<std::size_t>(several ? spec.shape[1].min : 0);
  for (const auto text : all) {
    longest = std::max(longest, text.size());
    if (text.find('\0') != std::string_view::npos) {
      return wrong(spec, "a text must not hold the character U+0000, which ends it");
    }
  }
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(longest)};
  if (several) {
    shape.insert(shape.begin(), static_cast<std::int64_t>(all.size()));
  }
  auto tensor = make(spec, std::move(shape), budget);
  if (!tensor) {
    return tensor;
  }
  for (std::size_t i = 0; i < all.size() && longest > 0; ++i) {
    std::memcpy(tensor->bytes.data() + i * longest, all[i].data(), all[i].size());
  }
  return tensor;
}

} // namespace tayfa::tensor_input
