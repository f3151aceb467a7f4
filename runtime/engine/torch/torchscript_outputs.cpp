// torchscript_call's other half: extracts tensors from forward()'s result.
#include "runtime/engine/torch/at_tensors.hpp"
#include "runtime/engine/torch/torchscript_call.hpp"

#include <algorithm>
#include <ATen/ATen.h>
#include <cstring>

namespace tayfa::engine {

namespace {

/// Collects all tensors within a value, in order, with their names.
class collector {
 public:
  std::vector<place> places;
  std::vector<at::Tensor> tensors;
  std::vector<bool> plain; ///< a Python number, which has no width of its own

  void collect(const c10::IValue& value, const std::string& name) {
    if (value.isTensor()) {
      add(name, value.toTensor(), false);
    } else if (value.isInt()) {
      add(name, at::scalar_tensor(value.toInt(), at::kLong), true);
    } else if (value.isDouble()) {
      add(name, at::scalar_tensor(value.toDouble(), at::kDouble), true);
    } else if (value.isBool()) {
      add(name, at::scalar_tensor(value.toBool(), at::kBool), true);
    } else if (value.isString()) {
      add_texts(name, {value.toStringView()}, false);
    } else if (value.isTuple()) {
      tuple(value, name);
    } else if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) {
        TORCH_CHECK(entry.key().isString(), "the model's output has keys that are no texts");
        collect(entry.value(), below(name, entry.key().toStringRef()));
      }
    } else if (value.isList()) {
      list(value, name);
    } else {
      TORCH_CHECK(value.isNone(), "the model's output holds something that is no tensor, number, "
                                  "text, or tuple, list or dictionary of them");
    }
  }

 private:
  static std::string below(const std::string& name, const std::string& part) {
    return name.empty() ? part : name + "." + part;
  }

  void add(const std::string& name, at::Tensor tensor, bool number) {
    places.push_back({name, true});
    tensors.push_back(std::move(tensor));
    plain.push_back(number);
  }

  void tuple(const c10::IValue& value, const std::string& name) {
    const auto& elements = value.toTupleRef().elements();
    const auto type = value.type()->cast<c10::TupleType>();
    const auto fields = type ? type->schema() : nullptr;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      const auto part = fields         ? fields->arguments()[i].name()
                        : name.empty() ? std::string{}
                                       : std::to_string(i);
      collect(elements[i], part.empty() ? name : below(name, part));
    }
  }

  void list(const c10::IValue& value, const std::string& name) {
    if (value.isIntList()) {
      add(name, at::tensor(value.toIntVector(), at::kLong), true);
    } else if (value.isDoubleList()) {
      add(name, at::tensor(value.toDoubleVector(), at::kDouble), true);
    } else if (value.isBoolList()) {
      const auto list = value.toBoolList();
      auto row = at::empty({static_cast<std::int64_t>(list.size())}, at::kBool);
      for (std::size_t i = 0; i < list.size(); ++i) {
        row.mutable_data_ptr<bool>()[i] = list.get(i);
      }
      add(name, std::move(row), true);
    } else {
      const auto members = value.toListRef();
      if (!members.empty() && std::all_of(members.begin(), members.end(),
                                          [](const c10::IValue& m) { return m.isString(); })) {
        std::vector<std::string_view> texts;
        for (const auto& member : members) {
          texts.push_back(member.toStringView());
        }
        add_texts(name, texts, true);
        return;
      }
      for (std::size_t i = 0; i < members.size(); ++i) {
        collect(members[i], name.empty() ? name : below(name, std::to_string(i)));
      }
    }
  }

  void add_texts(const std::string& name, const std::vector<std::string_view>& texts,
                 bool several) {
    std::size_t longest = 0;
    for (const auto text : texts) {
      longest = std::max(longest, text.size());
    }
    auto rows = at::zeros(
        {static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(longest)}, at::kByte);
    for (std::size_t i = 0; i < texts.size() && longest > 0; ++i) {
      std::memcpy(rows.mutable_data_ptr<std::uint8_t>() + i * longest, texts[i].data(),
                  texts[i].size());
    }
    add(name, several ? rows : rows[0], false);
  }
};

} // namespace

result<std::vector<at::Tensor>> torchscript_call::outputs(const c10::IValue& value,
                                                          const model_manifest& manifest) {
  collector found;
  found.collect(value, {});
  const auto bound = bind_outputs(found.places, manifest.outputs);
  if (!bound) {
    return fail(errc::job_failed, bound.error().text);
  }
  std::vector<at::Tensor> out;
  for (std::size_t i = 0; i < bound->size(); ++i) {
    const auto at = (*bound)[i];
    out.push_back(found.plain[at] ? found.tensors[at].to(to_scalar(manifest.outputs[i].type))
                                  : found.tensors[at]);
  }
  return out;
}

} // namespace tayfa::engine
