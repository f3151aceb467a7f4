// The model loader: has the catalogue checked (outside of any actor's thread), then tells each
// worker what to load.
//
// States: EMPTY (workers' wishes are postponed) -> CHECKED. It never touches a GPU: loading itself
// happens in the engine.
#pragma once

#include "actors/common.hpp"
#include "runtime/model/catalogue.hpp"

#include <vector>

namespace tayfa {

struct catalogue_news {
  result<std::vector<model_entry>> models;
};

struct model_granted {
  protocol::load_model load;
};

class model_loader : public model_loader_actor::base {
 public:
  model_loader(caf::actor_config&, pod_context);

  const char* name() const override { return "model_loader"; }
  behavior_type make_behavior() override;
  void on_exit() override { crew_ = crew{}; }

 private:
  behavior_type empty();
  behavior_type checked();
  void check();
  void learned(const catalogue_news&);
  model_granted grant(const want_model&) const;
  void met(const crew&);
  void loaded(const model_loaded&);

  pod_context ctx_;
  crew crew_;
  std::vector<model_entry> models_;
};

} // namespace tayfa
