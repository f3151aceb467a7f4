// The model loader: has the catalogue checked (outside of any actor's thread), then tells each
// worker what to load.
//
// Slots may have engines of different kinds. Where they do, the catalogue has an entry for each
// kind that runs no model files, under the kind's own name: jobs ask for such an engine by that
// name. Each worker is granted only what engines of its kind run.
//
// States: EMPTY (workers' wishes are postponed) -> CHECKED. It never touches a GPU: loading itself
// happens in the engine.
//
// A file that an engine refuses is looked at again: when another one has taken its place, with a
// manifest that fits, that one is the model from then on; else it reports to the queue that the
// model cannot be loaded. A worker without a model of its own gets one that was not refused.
#pragma once

#include "actors/common.hpp"
#include "messages/slot_engines.hpp"
#include "runtime/model/catalogue.hpp"

#include <deque>
#include <map>
#include <set>
#include <vector>

namespace tayfa {

struct catalogue_inspected {
  result<std::vector<model_entry>> models;
  std::optional<model_refused> about{}; ///< the file of this one only was looked at
};

struct model_granted {
  protocol::load_model load;
};

class model_loader : public model_loader_actor::base {
 public:
  model_loader(caf::actor_config&, pod_context, const slot_engines&);

  const char* name() const override { return "model_loader"; }
  behavior_type make_behavior() override;
  void on_exit() override {
    directory_ = actor_directory{};
    wishes_.clear();
  }

 private:
  auto common();
  behavior_type empty();
  behavior_type checked();
  void check();
  void learned(const catalogue_inspected&);
  caf::result<model_granted> grant(const want_model&);
  const model_entry* chosen_for(const want_model&) const;
  result<void> complete(std::vector<model_entry>&) const;
  void refused(const model_refused&);
  void looked_again(const model_refused&, const result<std::vector<model_entry>>&);
  void notify_queue();
  void on_directory(const actor_directory&);
  void loaded(const model_loaded&);

  pod_context ctx_;
  std::vector<engine_kind> kinds_; ///< of the pod's engines
  actor_directory directory_;
  std::vector<model_entry> models_;
  std::map<std::string, std::uint64_t> versions_; ///< of those whose file was replaced
  std::set<std::string> refused_;                 ///< engines could not load them, lately
  std::set<std::string> looked_at_;               ///< their files are being looked at again
  struct wish {
    want_model asked;
    caf::typed_response_promise<model_granted> later;
  };
  std::deque<wish> wishes_; ///< for those
};

} // namespace tayfa
