#include "runtime/engine/torch/torchscript_call.hpp"

#include "runtime/engine/torch/at_tensors.hpp"

#include <algorithm>
#include <array>
#include <ATen/ATen.h>

namespace tayfa::engine {

namespace {

bool is_whole(dtype type) {
  return type == dtype::u8 || type == dtype::i8 || type == dtype::i16 || type == dtype::i32 ||
         type == dtype::i64;
}

std::string_view text_at(const host_tensor& tensor, std::size_t index, std::size_t longest) {
  const auto* const bytes = reinterpret_cast<const char*>(tensor.bytes.data());
  const std::string_view whole{longest > 0 ? bytes + index * longest : "", longest};
  return whole.substr(0, whole.find_last_not_of('\0') + 1);
}

} // namespace

// ---- the plan -----------------------------------------------------------------------------------

/// Converts argument types to nodes; each tensor among them becomes a place.
class torchscript_call::planner {
 public:
  planner(const c10::FunctionSchema& schema, const model_manifest& manifest)
      : schema_(schema), manifest_(manifest) {}

  result<std::vector<node>> run() {
    std::vector<node> nodes;
    const auto& arguments = schema_.arguments();
    for (std::size_t i = 1; i < arguments.size(); ++i) { // the first is self
      const auto& argument = arguments[i];
      auto made = make(argument.type(), argument.name());
      if (!made) {
        return fail(std::move(made.error()));
      }
      if (argument.default_value()) {
        made->otherwise = *argument.default_value();
        for (std::size_t k = made_first_; k < places_.size(); ++k) {
          places_[k].required = false;
        }
      }
      nodes.push_back(std::move(*made));
    }
    const auto bound = bind_inputs(places_, manifest_.inputs);
    if (!bound) {
      return fail(bound.error());
    }
    std::size_t next = 0;
    for (auto& n : nodes) {
      if (auto given = give(n, *bound, next); !given) {
        return fail(std::move(given.error()));
      }
    }
    return nodes;
  }

 private:
  result<node> make(const c10::TypePtr& type, const std::string& name) {
    made_first_ = places_.size();
    return of_type(type, name, true);
  }

  result<node> of_type(const c10::TypePtr& type, const std::string& name, bool required) {
    node out;
    out.name = name;
    if (const auto optional = type->cast<c10::OptionalType>()) {
      return of_type(optional->getElementType(), name, false);
    }
    if (const auto tuple = type->cast<c10::TupleType>()) {
      out.is = form::tuple;
      const auto fields = tuple->schema();
      out.type = fields ? tuple : nullptr;
      for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
        const auto part = fields ? fields->arguments()[i].name() : std::to_string(i);
        auto child = of_type(tuple->elements()[i], name + "." + part, required);
        if (!child) {
          return child;
        }
        out.children.push_back(std::move(*child));
      }
      return out;
    }
    if (const auto list = type->cast<c10::ListType>();
        list && list->getElementType()->cast<c10::TensorType>()) {
      out.is = form::list;
      return several(std::move(out), required);
    }
    if (const auto dictionary = type->cast<c10::DictType>();
        dictionary && dictionary->getKeyType()->cast<c10::StringType>() &&
        dictionary->getValueType()->cast<c10::TensorType>()) {
      out.is = form::dictionary;
      return several(std::move(out), required);
    }
    const auto found = form_of(*type);
    if (!found) {
      return fail(errc::model_invalid, "forward() takes \"" + name + "\" as " +
                                           brief_message(type->repr_str()) +
                                           ", which a job cannot give");
    }
    out.is = *found;
    places_.push_back({name, required});
    return out;
  }

  static std::optional<form> form_of(const c10::Type& type) {
    constexpr std::array<std::pair<c10::TypeKind, form>, 6> alone{{
        {c10::TypeKind::TensorType, form::tensor},
        {c10::TypeKind::IntType, form::whole},
        {c10::TypeKind::FloatType, form::real},
        {c10::TypeKind::NumberType, form::number},
        {c10::TypeKind::BoolType, form::truth},
        {c10::TypeKind::StringType, form::text},
    }};
    constexpr std::array<std::pair<c10::TypeKind, form>, 4> listed{{
        {c10::TypeKind::IntType, form::wholes},
        {c10::TypeKind::FloatType, form::reals},
        {c10::TypeKind::BoolType, form::truths},
        {c10::TypeKind::StringType, form::texts},
    }};
    const bool list = type.kind() == c10::TypeKind::ListType;
    const auto kind = list ? type.expectRef<c10::ListType>().getElementType()->kind() : type.kind();
    const std::span<const std::pair<c10::TypeKind, form>> table =
        list ? std::span<const std::pair<c10::TypeKind, form>>{listed}
             : std::span<const std::pair<c10::TypeKind, form>>{alone};
    const auto found = std::find_if(table.begin(), table.end(),
                                    [kind](const auto& row) { return row.first == kind; });
    return found == table.end() ? std::nullopt : std::optional{found->second};
  }

  /// A list or dictionary of tensors: the manifest's inputs named "name.…"; or, when none has such
  /// a name and it is the only argument of its kind, all inputs that match no other argument's
  /// name.
  result<node> several(node out, bool required) {
    const auto prefix = out.name + ".";
    for (const auto& spec : manifest_.inputs) {
      if (spec.name.starts_with(prefix)) {
        add(out, spec.name, spec.name.substr(prefix.size()));
      }
    }
    if (out.children.empty() && collections() == 1) {
      for (const auto& spec : manifest_.inputs) {
        const auto& others = schema_.arguments();
        const bool taken = std::any_of(others.begin(), others.end(), [&](const auto& a) {
          return a.name() == spec.name || spec.name.starts_with(a.name() + ".");
        });
        if (!taken) {
          add(out, spec.name, spec.name);
        }
      }
    }
    if (out.children.empty() && required) {
      return fail(errc::model_invalid, "forward() takes \"" + out.name +
                                           "\", which is several tensors; the manifest must name "
                                           "them \"" +
                                           prefix + "…\"");
    }
    return out;
  }

  void add(node& to, const std::string& place_name, const std::string& key) {
    node child;
    child.name = place_name;
    to.children.push_back(std::move(child));
    to.keys.push_back(key);
    places_.push_back({place_name, true});
  }

  std::size_t collections() const {
    std::size_t count = 0;
    for (const auto& argument : schema_.arguments()) {
      auto type = argument.type();
      if (const auto optional = type->cast<c10::OptionalType>()) {
        type = optional->getElementType();
      }
      const auto list = type->cast<c10::ListType>();
      count +=
          type->cast<c10::DictType>() || (list && list->getElementType()->cast<c10::TensorType>())
              ? 1
              : 0;
    }
    return count;
  }

  /// Writes the bound inputs into the leaves, in the order in which their places were made.
  result<void> give(node& n, const binding& bound, std::size_t& next) const {
    if (n.is == form::tuple || n.is == form::list || n.is == form::dictionary) {
      for (auto& child : n.children) {
        if (auto given = give(child, bound, next); !given) {
          return given;
        }
      }
      return {};
    }
    n.input = bound[next++];
    return n.input ? fits(n, manifest_.inputs[*n.input]) : result<void>{};
  }

  static result<void> fits(const node& n, const tensor_spec& spec) {
    const auto wrong = [&](std::string_view what) {
      return fail(errc::model_invalid, "input \"" + spec.name + "\": forward() takes " +
                                           std::string{what} + ", so the manifest must say so");
    };
    const bool one = std::all_of(spec.shape.begin(), spec.shape.end(),
                                 [](const axis_bounds& a) { return a.min == 1 && a.max == 1; });
    const bool row = spec.shape.size() == 1;
    const bool texts = spec.form == tensor_form::text;
    switch (n.is) {
    case form::whole:
      return one && is_whole(spec.type) ? result<void>{} : wrong("one int (\"int64\", [])");
    case form::real:
    case form::number:
      return one && spec.type != dtype::boolean ? result<void>{}
                                                : wrong("one float (\"float64\", [])");
    case form::truth:
      return one && spec.type == dtype::boolean ? result<void>{} : wrong("one bool (\"bool\", [])");
    case form::text:
      return row && texts ? result<void>{}
                          : wrong("a str (\"form\": \"text\", \"uint8\", one axis)");
    case form::texts:
      return texts && spec.shape.size() == 2
                 ? result<void>{}
                 : wrong("a list of str (\"form\": \"text\", \"uint8\", two axes)");
    case form::wholes:
      return row && is_whole(spec.type) ? result<void>{} : wrong("a list of int (one axis)");
    case form::reals:
      return row && spec.type != dtype::boolean ? result<void>{}
                                                : wrong("a list of float (one axis)");
    case form::truths:
      return row && spec.type == dtype::boolean ? result<void>{}
                                                : wrong("a list of bool (one axis)");
    case form::tensor:
    case form::tuple:
    case form::list:
    case form::dictionary: break;
    }
    return {};
  }

  const c10::FunctionSchema& schema_;
  const model_manifest& manifest_;
  std::vector<place> places_;
  std::size_t made_first_ = 0;
};

result<torchscript_call> torchscript_call::plan(const c10::FunctionSchema& schema,
                                                const model_manifest& manifest) {
  auto nodes = planner{schema, manifest}.run();
  if (!nodes) {
    return fail(std::move(nodes.error()));
  }
  torchscript_call out;
  out.arguments_ = std::move(*nodes);
  return out;
}

// ---- arguments ----------------------------------------------------------------------------------

std::vector<c10::IValue> torchscript_call::arguments(std::vector<host_tensor>& inputs,
                                                     c10::Device device) const {
  std::vector<c10::IValue> out;
  for (const auto& n : arguments_) {
    out.push_back(value(n, inputs, device));
  }
  return out;
}

c10::IValue torchscript_call::value(const node& n, std::vector<host_tensor>& inputs,
                                    c10::Device device) const {
  if (n.is == form::tuple || n.is == form::list || n.is == form::dictionary) {
    std::vector<c10::IValue> values;
    for (const auto& child : n.children) {
      values.push_back(value(child, inputs, device));
    }
    const bool none =
        std::all_of(values.begin(), values.end(), [](const c10::IValue& v) { return v.isNone(); });
    if (none) {
      return n.otherwise;
    }
    if (n.is == form::tuple) {
      return n.type ? c10::ivalue::Tuple::createNamed(std::move(values), n.type)
                    : c10::ivalue::Tuple::create(std::move(values));
    }
    if (n.is == form::list) {
      c10::List<at::Tensor> list;
      for (auto& v : values) {
        list.push_back(std::move(v).toTensor());
      }
      return list;
    }
    c10::Dict<std::string, at::Tensor> dictionary;
    for (std::size_t i = 0; i < values.size(); ++i) {
      dictionary.insert(n.keys[i], std::move(values[i]).toTensor());
    }
    return dictionary;
  }
  if (!n.input) {
    return n.otherwise;
  }
  auto& host = inputs[*n.input];
  if (n.is == form::text) {
    return std::string{text_at(host, 0, host.bytes.size())};
  }
  if (n.is == form::texts) {
    c10::List<std::string> list;
    for (std::int64_t i = 0; i < host.shape[0]; ++i) {
      list.push_back(std::string{
          text_at(host, static_cast<std::size_t>(i), static_cast<std::size_t>(host.shape[1]))});
    }
    return list;
  }
  const bool on_device = n.is == form::tensor;
  const auto tensor = one_to_device(host, on_device ? device : c10::Device{c10::DeviceType::CPU});
  const auto each = [&tensor]<class T>(c10::List<T> list, c10::ScalarType type) {
    const auto row = tensor.to(type).contiguous();
    for (std::int64_t i = 0; i < row.numel(); ++i) {
      list.push_back(row.const_data_ptr<T>()[i]);
    }
    return list;
  };
  switch (n.is) {
  case form::whole: return tensor.item<std::int64_t>();
  case form::real: return tensor.item<double>();
  case form::number: return tensor.item();
  case form::truth: return tensor.item<bool>();
  case form::wholes: return each(c10::List<std::int64_t>{}, c10::kLong);
  case form::reals: return each(c10::List<double>{}, c10::kDouble);
  case form::truths: return each(c10::List<bool>{}, c10::kBool);
  case form::tensor:
  case form::text:
  case form::texts:
  case form::tuple:
  case form::list:
  case form::dictionary: break;
  }
  return tensor;
}

} // namespace tayfa::engine
