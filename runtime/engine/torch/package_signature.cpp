#include "runtime/engine/torch/package_signature.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

namespace tayfa::engine {

namespace {

constexpr std::size_t inputs_max = 4096;
constexpr std::size_t axes_max = 64;

constexpr std::array<std::pair<std::string_view, dtype>, 10> types{{
    {"Byte", dtype::u8},
    {"Char", dtype::i8},
    {"Short", dtype::i16},
    {"Int", dtype::i32},
    {"Long", dtype::i64},
    {"Half", dtype::f16},
    {"BFloat16", dtype::bf16},
    {"Float", dtype::f32},
    {"Double", dtype::f64},
    {"Bool", dtype::boolean},
}};

/// Moves through a text from mark to mark.
class scanner {
 public:
  explicit scanner(std::string_view text) : left_(text) {}

  bool skip_past(std::string_view mark) {
    const auto at = left_.find(mark);
    if (at == std::string_view::npos) {
      return false;
    }
    left_.remove_prefix(at + mark.size());
    return true;
  }
  bool starts(std::string_view mark) {
    if (!left_.starts_with(mark)) {
      return false;
    }
    left_.remove_prefix(mark.size());
    return true;
  }
  std::optional<std::int64_t> number() {
    std::int64_t value = 0;
    const auto read = std::from_chars(left_.data(), left_.data() + left_.size(), value);
    if (read.ec != std::errc{}) {
      return std::nullopt;
    }
    left_.remove_prefix(static_cast<std::size_t>(read.ptr - left_.data()));
    return value;
  }
  std::optional<std::string_view> until(char mark, std::size_t longest) {
    const auto at = left_.substr(0, longest).find(mark);
    if (at == std::string_view::npos) {
      return std::nullopt;
    }
    const auto out = left_.substr(0, at);
    left_.remove_prefix(at + 1);
    return out;
  }

 private:
  std::string_view left_;
};

/// The expressions between braces: "{s23, 2L*s27}". An unreadable part is empty.
std::optional<std::vector<std::optional<size_expression>>> read_list(scanner& at) {
  if (!at.skip_past("{")) {
    return std::nullopt;
  }
  const auto inside = at.until('}', 16'384);
  if (!inside) {
    return std::nullopt;
  }
  std::vector<std::optional<size_expression>> out;
  for (std::string_view left = *inside; !left.empty();) {
    const auto comma = left.find(',');
    const auto part = left.substr(0, comma);
    if (part.find_first_not_of(' ') != std::string_view::npos) {
      out.push_back(size_expression::read(part));
    }
    left = comma == std::string_view::npos ? std::string_view{} : left.substr(comma + 1);
  }
  return out;
}

std::string at_axis(const tensor_spec& spec, std::size_t axis) {
  return "input \"" + spec.name + "\": axis " + std::to_string(axis);
}

std::string range(std::int64_t least, std::int64_t most) {
  if (least == most) {
    return std::to_string(least);
  }
  return std::to_string(least) +
         (most >= (std::int64_t{1} << 40) ? " or more" : " to " + std::to_string(most));
}

auto invalid(std::string text) {
  return fail(errc::model_invalid, std::move(text));
}

} // namespace

// ---- from the source ----------------------------------------------------------------------------

std::optional<package_signature> package_signature::read(std::string_view source) {
  package_signature out;
  if (!out.read_checks(source)) {
    return std::nullopt;
  }
  out.read_asserts(source);
  return out;
}

/// Texts of the generated checks: input_handles[0]: unmatched dtype, " … (at::kFloat), / unmatched
/// dim value at 1, " … expected: 4, / dim value is too small at 0, " … >= 2, / … too large … <= 8,
bool package_signature::read_checks(std::string_view source) {
  scanner at{source};
  while (at.skip_past("\"input_handles[")) {
    const auto index = at.number();
    if (!index || *index < 0 || static_cast<std::size_t>(*index) >= inputs_max ||
        !at.starts("]: ")) {
      return false;
    }
    inputs_.resize(std::max(inputs_.size(), static_cast<std::size_t>(*index) + 1));
    auto& in = inputs_[static_cast<std::size_t>(*index)];
    if (at.starts("unmatched dtype, ")) {
      const auto type = at.skip_past("(at::k") ? at.until(')', 32) : std::nullopt;
      if (!type) {
        return false;
      }
      in.type = *type;
      continue;
    }
    if (at.starts("unmatched stride value at ")) {
      // Only shows that the axis exists; sizes are not concerned.
      const auto number = at.number();
      if (number && *number >= 0 && static_cast<std::size_t>(*number) < axes_max) {
        in.axes.resize(std::max(in.axes.size(), static_cast<std::size_t>(*number) + 1));
      }
      continue;
    }
    const bool fixed = at.starts("unmatched dim value at ");
    const bool small = !fixed && at.starts("dim value is too small at ");
    if (!fixed && !small && !at.starts("dim value is too large at ")) {
      continue; // a check of devices
    }
    const auto axis_number = at.number();
    const bool found = axis_number && *axis_number >= 0 &&
                       static_cast<std::size_t>(*axis_number) < axes_max &&
                       at.skip_past(fixed   ? "expected: "
                                    : small ? "expected it to be >= "
                                            : "expected to be <= ");
    const auto value = found ? at.number() : std::nullopt;
    if (!value) {
      return false;
    }
    const auto number = static_cast<std::size_t>(*axis_number);
    in.axes.resize(std::max(in.axes.size(), number + 1));
    auto& seen = in.axes[number];
    seen.least = fixed || small ? *value : seen.least;
    seen.most = fixed || !small ? *value : seen.most;
  }
  return !inputs_.empty() && std::none_of(inputs_.begin(), inputs_.end(),
                                          [](const input& in) { return in.type.empty(); });
}

/// inputs_info_[0].name = "arg0_1"; … assert_size_stride(arg0_1, {s23, s27}, {s27, 1L}, "input")
void package_signature::read_asserts(std::string_view source) {
  std::map<std::string, std::size_t, std::less<>> names;
  scanner infos{source};
  while (infos.skip_past("inputs_info_[")) {
    const auto index = infos.number();
    if (index && infos.starts("].name = \"")) {
      if (const auto name = infos.until('"', 256)) {
        names.emplace(*name, static_cast<std::size_t>(*index));
      }
    }
  }
  scanner asserts{source};
  while (asserts.skip_past("assert_size_stride(")) {
    const auto name = asserts.until(',', 256);
    const auto found = name ? names.find(*name) : names.end();
    if (found == names.end() || found->second >= inputs_.size()) {
      continue;
    }
    auto& in = inputs_[found->second];
    const auto sizes = read_list(asserts);
    const auto strides = read_list(asserts);
    if (!sizes || !strides || sizes->size() != strides->size()) {
      continue;
    }
    in.axes.resize(std::max(in.axes.size(), sizes->size()));
    for (std::size_t i = 0; i < sizes->size(); ++i) {
      in.axes[i].size = (*sizes)[i];
    }
    if (std::all_of(strides->begin(), strides->end(),
                    [](const auto& s) { return s.has_value(); })) {
      in.strides.clear();
      for (const auto& stride : *strides) {
        in.strides.push_back(*stride);
      }
    }
  }
}

// ---- against the manifest -----------------------------------------------------------------------

/// torch writes 2 as the minimum of every dynamic size, even where 1 works too.
std::int64_t package_signature::least_taken(const axis& a) {
  return a.least == 2 && a.most != 2 ? 1 : a.least;
}

namespace {

/// True when a dense tensor would have the export's strides. Each symbol gets a different size.
bool is_dense(std::span<const size_expression> sizes, std::span<const size_expression> strides) {
  size_expression::values known;
  std::int64_t next = 3;
  for (const auto& size : sizes) {
    for (const auto& name : size.unknown(known)) {
      known.emplace(name, next);
      next += 2;
    }
  }
  std::int64_t expected = 1;
  for (std::size_t i = sizes.size(); i-- > 0;) {
    const auto size = sizes[i].value(known);
    const auto stride = strides[i].value(known);
    if (!size || !stride) {
      return true; // unknown; the first pass decides
    }
    if (*size == 0) {
      return true;
    }
    if (*size != 1 && *stride != expected) {
      return false;
    }
    expected *= *size;
  }
  return true;
}

} // namespace

result<void> package_signature::adopt(std::span<tensor_spec* const> specs) const {
  if (specs.size() != inputs_.size()) {
    return invalid("the package takes " + std::to_string(inputs_.size()) +
                   " tensors, the manifest has " + std::to_string(specs.size()) + " inputs");
  }
  std::map<std::string, std::vector<axis_bounds*>> of_symbol;
  std::map<std::string, std::string> names;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    auto& spec = *specs[i];
    const auto& in = inputs_[i];
    const auto type = std::find_if(types.begin(), types.end(),
                                   [&in](const auto& t) { return t.first == in.type; });
    if (type == types.end() || type->second != spec.type) {
      return invalid("input \"" + spec.name + "\": the package takes " +
                     (type == types.end() ? in.type : std::string{to_string(type->second)}) +
                     ", the manifest says " + std::string{to_string(spec.type)});
    }
    if (in.axes.size() != spec.shape.size()) {
      return invalid("input \"" + spec.name + "\": the package takes " +
                     std::to_string(in.axes.size()) + " axes, the manifest says " +
                     std::to_string(spec.shape.size()));
    }
    std::vector<size_expression> sizes;
    for (std::size_t k = 0; k < in.axes.size(); ++k) {
      auto& bounds = spec.shape[k];
      if (bounds.min < least_taken(in.axes[k]) || bounds.max > in.axes[k].most) {
        return invalid(at_axis(spec, k) + " is " + range(bounds.min, bounds.max) +
                       " in the manifest, but the package was exported for " +
                       range(least_taken(in.axes[k]), in.axes[k].most) +
                       (in.axes[k].least == in.axes[k].most ? " only (dynamic_shapes?)" : ""));
      }
      if (!in.axes[k].size) {
        continue;
      }
      sizes.push_back(*in.axes[k].size);
      if (const auto symbol = in.axes[k].size->symbol()) {
        of_symbol[*symbol].push_back(&bounds);
        auto& name = names[*symbol];
        name = !bounds.name.empty() ? bounds.name
               : name.empty()       ? spec.name + "[" + std::to_string(k) + "]"
                                    : name;
      }
    }
    if (sizes.size() == in.strides.size() && !is_dense(sizes, in.strides)) {
      return invalid("input \"" + spec.name +
                     "\": the package was exported for a tensor with other strides; export it with "
                     "contiguous example inputs (x.contiguous())");
    }
  }
  for (auto& [symbol, axes] : of_symbol) {
    for (auto* bounds : axes) {
      if (axes.size() > 1 && bounds->name.empty()) {
        bounds->name = names[symbol];
      }
    }
  }
  return {};
}

bool package_signature::own_checks_fit(std::span<const tensor_spec* const> specs) const {
  for (std::size_t i = 0; i < specs.size() && i < inputs_.size(); ++i) {
    for (std::size_t k = 0; k < specs[i]->shape.size() && k < inputs_[i].axes.size(); ++k) {
      if (specs[i]->shape[k].min < inputs_[i].axes[k].least) {
        return false;
      }
    }
  }
  return true;
}

result<void> package_signature::check(std::span<const tensor_spec* const> specs,
                                      std::span<const std::vector<std::int64_t>> shapes) const {
  size_expression::values known;
  std::set<std::pair<std::size_t, std::size_t>> done;
  // Each round derives symbols from known sizes, until a round learns nothing new.
  for (bool learned = true; learned;) {
    learned = false;
    for (std::size_t i = 0; i < inputs_.size() && i < shapes.size(); ++i) {
      for (std::size_t k = 0; k < inputs_[i].axes.size() && k < shapes[i].size(); ++k) {
        const auto& size = inputs_[i].axes[k].size;
        const auto open = size ? size->unknown(known) : std::vector<std::string>{};
        if (!size || open.size() > 1 || done.contains({i, k})) {
          continue;
        }
        done.insert({i, k});
        if (open.size() == 1) {
          const auto value = size->solve(known, shapes[i][k]);
          if (!value) {
            return fail(errc::bad_input, at_axis(*specs[i], k) + " is " +
                                             std::to_string(shapes[i][k]) +
                                             ", which is no size that the model was exported for");
          }
          known.emplace(open.front(), *value);
          learned = true;
        } else if (const auto value = size->value(known); value && *value != shapes[i][k]) {
          return fail(errc::bad_input,
                      at_axis(*specs[i], k) + " is " + std::to_string(shapes[i][k]) +
                          ", with the other inputs it must be " + std::to_string(*value));
        }
      }
    }
  }
  return {};
}

} // namespace tayfa::engine
