#include "runtime/engine/torch/torchscript_state.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <unordered_map>

namespace tayfa::engine {

namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

constexpr std::size_t names_shown = 8;

void each_node(Block* block, const std::function<void(Node*)>& see) {
  for (auto* node : block->nodes()) {
    see(node);
    for (auto* inner : node->blocks()) {
      each_node(inner, see);
    }
  }
}

std::shared_ptr<torch::jit::Graph> inlined_forward(const torch::jit::Module& module) {
  auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return graph;
}

bool is_normalisation(const Node* node) {
  const auto kind = std::string_view{node->kind().toQualString()};
  return kind == "aten::batch_norm" || kind == "aten::native_batch_norm" ||
         kind == "aten::instance_norm" || kind == "aten::_batch_norm_impl_index" ||
         kind == "aten::cudnn_batch_norm";
}

/// True unless the flag is known to be false: only then does a normalisation keep its statistics
/// unchanged.
bool may_train(const Node* node) {
  const auto* const flag = node->kind().toQualString() == std::string_view{"aten::instance_norm"}
                               ? "use_input_stats"
                               : "training";
  if (!node->hasNamedInput(flag)) {
    return true;
  }
  const auto known = torch::jit::constant_as<bool>(node->namedInput(flag));
  return !known || *known;
}

} // namespace

class torchscript_state::finder {
 public:
  explicit finder(const torch::jit::Module& module)
      // "Frozen": a module's attributes are distinguished instead of counting as one unknown place.
      : module_(module), graph_(inlined_forward(module)), aliases_(graph_, /*isFrozen=*/true) {}

  /// True when a value that freezing made constant is written to.
  bool writes_constants() {
    bool found = false;
    look_at_writes();
    each_node(graph_->block(), [&](Node* node) {
      found = found || (node->kind() == c10::prim::Constant && !node->outputs().empty() &&
                        holds_tensors(*node->output()->type()) && is_written(node->output()));
    });
    return found;
  }

  std::vector<slot> run() {
    objects_.emplace(graph_->inputs()[0], module_._ivalue());
    each_node(graph_->block(), [this](Node* node) { follow(node); });
    look_at_writes();
    for (const auto& [value, where] : attributes_) {
      if (is_written(value)) {
        written_.insert(where);
      }
    }
    if (unknown_) {
      everything(module_._ivalue());
    }
    std::vector<slot> slots;
    for (const auto& [object, index] : written_) {
      const auto owner = c10::intrusive_ptr<c10::ivalue::Object>::reclaim_copy(object);
      slots.push_back(
          {owner, index, owner->type()->getAttributeName(index), owner->getSlot(index).deepcopy()});
    }
    return slots;
  }

 private:
  using place_of = std::pair<c10::ivalue::Object*, std::size_t>;

  /// Records which object, or which attribute of which object, a value is.
  void follow(Node* node) {
    if (node->kind() != c10::prim::GetAttr) {
      return;
    }
    const auto owner = objects_.find(node->input());
    if (owner == objects_.end()) {
      unknown_ = true;
      return;
    }
    const auto& name = node->s(c10::attr::name);
    const auto index = owner->second->type()->findAttributeSlot(name);
    if (!index) {
      return; // a constant of the class
    }
    const auto value = owner->second->getSlot(*index);
    if (value.isObject()) {
      objects_.emplace(node->output(), value.toObject());
    } else {
      attributes_.emplace_back(node->output(), place_of{owner->second.get(), *index});
    }
  }

  void look_at_writes() {
    each_node(graph_->block(), [this](Node* node) { writes_of(node); });
    writes_to_taken_ = std::any_of(into_.begin(), into_.end(), [this](Value* target) {
      return is_tensor(target) && std::any_of(taken_.begin(), taken_.end(), [&](Value* one) {
               return aliases_.mayAlias(target, one);
             });
    });
  }

  void writes_of(Node* node) {
    if (node->kind() == c10::prim::SetAttr) {
      const auto owner = objects_.find(node->inputs()[0]);
      const auto index = owner == objects_.end()
                             ? std::nullopt
                             : owner->second->type()->findAttributeSlot(node->s(c10::attr::name));
      if (index) {
        written_.insert({owner->second.get(), *index});
      } else {
        unknown_ = true;
      }
      return;
    }
    // A call that could not be inlined: an interface, a function of its own.
    if (node->kind() == c10::prim::CallMethod || node->kind() == c10::prim::CallFunction ||
        node->hasAttribute(c10::attr::Subgraph)) {
      unknown_ = true;
      return;
    }
    if (is_normalisation(node) && may_train(node)) {
      for (const auto* statistic : {"running_mean", "running_var"}) {
        if (node->hasNamedInput(statistic)) {
          into_.push_back(node->namedInput(statistic));
        }
      }
    }
    note_taken(node);
    const auto* schema = node->maybeSchema();
    for (std::size_t i = 0;
         schema != nullptr && i < schema->arguments().size() && i < node->inputs().size(); ++i) {
      const auto* alias = schema->arguments()[i].alias_info();
      if (alias != nullptr && alias->isWrite()) {
        into_.push_back(node->inputs()[i]);
      }
    }
  }

  /// Records tensors read from a value that holds tensors.
  void note_taken(Node* node) {
    const bool from_container =
        std::any_of(node->inputs().begin(), node->inputs().end(),
                    [](const Value* v) { return !is_tensor(v) && holds_tensors(*v->type()); });
    for (auto* out : node->outputs()) {
      if (from_container && is_tensor(out)) {
        taken_.push_back(out);
      }
    }
  }
  static bool is_tensor(const Value* value) {
    return value->type()->cast<c10::TensorType>() != nullptr;
  }

  bool is_written(Value* value) const {
    const bool tensor = is_tensor(value);
    // A tensor read from a container is not tracked further: a write to one may affect any
    // container's tensors.
    if (!tensor && writes_to_taken_ && holds_tensors(*value->type())) {
      return true;
    }
    return std::any_of(into_.begin(), into_.end(), [&](Value* target) {
      return tensor && target->type()->cast<c10::TensorType>()
                 ? aliases_.mayAlias(value, target)
                 : aliases_.mayContainAlias(value, target) && !(tensor && is_list(target));
    });
  }
  static bool holds_tensors(const c10::Type& type) {
    const auto inside = type.containedTypes();
    return type.kind() == c10::TypeKind::TensorType ||
           std::any_of(inside.begin(), inside.end(),
                       [](const auto& each) { return holds_tensors(*each); });
  }
  /// Writing to a list changes the list, not the tensors in it.
  static bool is_list(const Value* value) {
    return value->type()->cast<c10::ListType>() != nullptr;
  }

  void everything(const c10::intrusive_ptr<c10::ivalue::Object>& object) {
    if (!seen_.insert(object.get()).second) {
      return;
    }
    for (std::size_t i = 0; i < object->slots().size(); ++i) {
      const auto& value = object->getSlot(i);
      if (value.isObject()) {
        everything(value.toObject());
      } else {
        written_.insert({object.get(), i});
      }
    }
  }

  const torch::jit::Module& module_;
  std::shared_ptr<torch::jit::Graph> graph_;
  torch::jit::AliasDb aliases_;
  std::unordered_map<Value*, c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  std::vector<std::pair<Value*, place_of>> attributes_;
  std::vector<Value*> into_;  ///< values that some node writes to
  std::vector<Value*> taken_; ///< tensors read from lists, dictionaries and tuples
  std::set<place_of> written_;
  std::set<const c10::ivalue::Object*> seen_;
  bool unknown_ = false;
  bool writes_to_taken_ = false;
};

torchscript_state torchscript_state::of(const torch::jit::Module& module) {
  torchscript_state out;
  out.slots_ = finder{module}.run();
  return out;
}

std::string torchscript_state::names() const {
  std::string out;
  for (std::size_t i = 0; i < slots_.size() && i < names_shown; ++i) {
    out += (i > 0 ? ", " : "") + slots_[i].name;
  }
  return out + (slots_.size() > names_shown ? ", …" : "");
}

void torchscript_state::restore() const {
  for (const auto& kept : slots_) {
    kept.object->setSlot(kept.index, kept.pristine.deepcopy());
  }
}

bool torchscript_state::hides_in_constants(const torch::jit::Module& frozen) {
  return finder{frozen}.writes_constants();
}

} // namespace tayfa::engine
