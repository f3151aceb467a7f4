#include "runtime/engine/torch/binding.hpp"

#include "runtime/model/exact_json.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace tayfa::engine {

namespace {

namespace json = boost::json;

constexpr std::size_t shown_max = 24;

std::string listed(std::span<const place> places) {
  std::string out;
  for (std::size_t i = 0; i < places.size() && i < shown_max; ++i) {
    out += out.empty() ? "" : ", ";
    for (const char c : places[i].name.empty() ? "(no name)" : places[i].name) {
      out += c >= ' ' && c < 127 ? c : '?';
    }
  }
  return out + (places.size() > shown_max ? ", …" : "");
}

std::optional<std::size_t> named(std::span<const place> places, const std::string& name) {
  const auto found = std::find_if(places.begin(), places.end(),
                                  [&name](const place& p) { return p.name == name; });
  return found == places.end() ? std::nullopt
                               : std::optional{static_cast<std::size_t>(found - places.begin())};
}

auto refused(std::string text) {
  return fail(errc::model_invalid, std::move(text));
}

/// Binds the remaining tensors by order; false when that could be wrong.
bool bind_by_order(std::span<const place> places, const std::vector<std::size_t>& tensors,
                   binding& bound) {
  std::vector<std::size_t> open;
  for (const bool required : {true, false}) {
    for (std::size_t at = 0; at < places.size() && open.size() < tensors.size(); ++at) {
      if (!bound[at] && places[at].required == required) {
        open.push_back(at);
      }
    }
  }
  std::sort(open.begin(), open.end());
  if (open.size() < tensors.size()) {
    return false;
  }
  bool safe = tensors.size() == 1;
  safe = safe || std::all_of(open.begin(), open.end(),
                             [&](std::size_t at) { return places[at].name.empty(); });
  safe = safe || std::equal(open.begin(), open.end(), tensors.begin(), tensors.end());
  for (std::size_t i = 0; safe && i < tensors.size(); ++i) {
    bound[open[i]] = tensors[i];
  }
  return safe;
}

} // namespace

result<binding> bind_inputs(std::span<const place> places, std::span<const tensor_spec> specs) {
  binding bound(places.size());
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto at = named(places, specs[i].name);
    if (at) {
      bound[*at] = i;
    } else {
      left.push_back(i);
    }
  }
  const auto taken = "; the program takes: " + listed(places);
  if (specs.size() > places.size()) {
    return refused("the manifest has " + std::to_string(specs.size()) +
                   " inputs, the program takes " + std::to_string(places.size()) + taken);
  }
  if (!left.empty() && !bind_by_order(places, left, bound)) {
    return refused("the manifest's input \"" + specs[left.front()].name +
                   "\" is none of the program's, and the others' names leave open which one is "
                   "meant" +
                   taken);
  }
  for (std::size_t at = 0; at < places.size(); ++at) {
    if (!bound[at] && places[at].required) {
      return refused("the manifest has no input for " +
                     (places[at].name.empty() ? "place " + std::to_string(at)
                                              : "\"" + places[at].name + "\"") +
                     taken);
    }
  }
  return bound;
}

result<std::vector<std::size_t>> bind_outputs(std::span<const place> places,
                                              std::span<const tensor_spec> specs) {
  const auto given = "; the program gives: " + listed(places);
  if (specs.size() > places.size()) {
    return refused("the model gave " + std::to_string(places.size()) +
                   " outputs, its manifest promises " + std::to_string(specs.size()) + given);
  }
  const bool by_name =
      std::any_of(specs.begin(), specs.end(),
                  [&](const tensor_spec& spec) { return named(places, spec.name).has_value(); }) ||
      std::none_of(places.begin(), places.end(), [](const place& p) { return p.name.empty(); });
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto at = by_name ? named(places, specs[i].name) : std::optional{i};
    if (!at) {
      return refused("the model gave no output named " + specs[i].name + given);
    }
    out.push_back(*at);
  }
  return out;
}

namespace {

/// The children's names, if the node's context has them: a list of names, or (for a dataclass) a
/// list whose first member is one.
std::vector<std::string> names_in(const json::value& context, std::size_t count) {
  const auto* text = context.if_string();
  if (text == nullptr) {
    return {};
  }
  const auto parsed =
      parse_json({text->data(), text->size()}, {std::size_t{1} << 20, 8}, errc::model_invalid);
  const auto* list = parsed ? parsed->if_array() : nullptr;
  if (list != nullptr && !list->empty() && list->front().is_array()) {
    list = &list->front().get_array();
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if (!(*list)[i].is_string()) {
      return {};
    }
    const auto& name = (*list)[i].get_string();
    names.emplace_back(name.data(), name.size());
  }
  return names.size() == count ? names : std::vector<std::string>{};
}

bool collect(const json::value& node, const std::string& name, std::vector<place>& out) {
  const auto* object = node.if_object();
  const auto* children = object != nullptr ? object->if_contains("children_spec") : nullptr;
  const auto* type = object != nullptr ? object->if_contains("type") : nullptr;
  if (children == nullptr || type == nullptr || !children->is_array()) {
    return false;
  }
  if (type->is_null()) {
    out.push_back({name, true});
    return true;
  }
  const auto& list = children->get_array();
  const auto* context = object->if_contains("context");
  const auto names =
      context != nullptr ? names_in(*context, list.size()) : std::vector<std::string>{};
  for (std::size_t i = 0; i < list.size(); ++i) {
    // A place in a tuple inside a named parent gets that name and its index.
    const auto own = !names.empty() ? names[i] : name.empty() ? std::string{} : std::to_string(i);
    const auto full = name.empty() || own.empty() ? name + own : name + "." + own;
    if (!collect(list[i], full, out)) {
      return false;
    }
  }
  return true;
}

} // namespace

std::optional<std::vector<place>> places_of_call_spec(std::string_view text) {
  const auto parsed = parse_json(text, {std::size_t{16} << 20, 64}, errc::model_invalid);
  const auto* both = parsed ? parsed->if_array() : nullptr;
  std::vector<place> out;
  if (both == nullptr || both->size() != 2 || !collect((*both)[1], {}, out)) {
    return std::nullopt;
  }
  return out;
}

} // namespace tayfa::engine
