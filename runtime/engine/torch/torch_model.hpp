// The torch engine's blocking model: checks the file, loads it through a backend, warms it up, and
// runs jobs: JSON -> tensors -> program -> checked tensors -> JSON.
//
// Owner: threaded_engine; every call comes from its compute thread. A model is kept only after its
// warm-up has passed, so a job never meets one that did not.
#pragma once

#include "runtime/engine/engine.hpp"
#include "runtime/engine/torch/program.hpp"

#include <map>
#include <memory>

namespace tayfa::engine {

class torch_model final : public blocking_model {
 public:
  torch_model(std::unique_ptr<backend> what, std::unique_ptr<time_source> time)
      : backend_(std::move(what)), time_(std::move(time)) {}

  std::string kind() const override { return "torch"; }
  std::string device() const override { return backend_->device(); }
  result<load_report> load(const protocol::load_model&) override;
  result<std::string> run(std::string_view model, std::string_view input_json, const cancel_token&,
                          run_events&) override;

 private:
  struct loaded {
    model_manifest manifest;
    std::unique_ptr<program> code;
  };
  result<void> warm_up(loaded&) const;
  /// One pass with the checks that every pass gets.
  static result<std::vector<host_tensor>> pass(loaded&, std::vector<host_tensor> inputs,
                                               std::optional<std::int64_t> batch);
  std::uint32_t ms_since(moment) const;

  std::unique_ptr<backend> backend_;
  std::unique_ptr<time_source> time_;
  std::map<std::string, loaded, std::less<>> models_;
};

} // namespace tayfa::engine
