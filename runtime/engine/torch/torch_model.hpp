// The torch engine's blocking model: checks the file, loads it through a backend, warms it up, and
// runs jobs: JSON -> tensors -> program -> checked tensors -> JSON.
//
// Owner: threaded_engine; all calls come from its compute thread. A model is kept only after a
// successful warm-up, so jobs only see models that passed it.
#pragma once

#include "messages/engine_kind.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/engine/torch/batching.hpp"
#include "runtime/engine/torch/program.hpp"

#include <map>
#include <memory>
#include <utility>

namespace tayfa::engine {

class torch_model final : public blocking_model {
 public:
  torch_model(std::unique_ptr<backend> what, std::unique_ptr<time_source> time)
      : backend_(std::move(what)), time_(std::move(time)) {}

  std::string kind() const override { return std::string{engine_rows::torch.name}; }
  std::string device() const override { return backend_->device(); }
  result<load_report> load(const protocol::load_model&) override;
  result<std::string> run(std::string_view model, std::string_view input_json, const cancel_token&,
                          run_events&) override;

  std::uint64_t memory_bytes() const override { return backend_->memory_bytes(); }
  void use_threads(std::uint32_t count) override { backend_->use_threads(count); }
  std::uint32_t batch_max() const override { return batch_max_; }
  /// Compatible members share a pass; the others get passes of their own. When a shared pass fails
  /// for any reason except memory, its members run alone, so that only the faulty ones fail.
  std::vector<result<std::string>> run_batch(std::string_view model,
                                             std::span<const run_member>) override;

 private:
  /// More bring nothing on any device of today, and a queue need not think about it.
  static constexpr std::uint32_t members_max = engine_rows::torch.capacity_most;

  struct loaded {
    model_manifest manifest;
    std::unique_ptr<program> code;
    batch_bounds batch;
  };
  struct waiting;

  void run_groups(loaded&, std::span<const run_member>, std::vector<waiting>,
                  std::vector<result<std::string>>&);
  void run_group(loaded&, std::span<const run_member>, std::vector<waiting>,
                 std::vector<result<std::string>>&);
  static result<std::vector<std::vector<host_tensor>>> joined_pass(loaded&,
                                                                   const std::vector<waiting>&);
  result<std::string> answer(const loaded&, const run_member&, const waiting&,
                             const std::vector<host_tensor>& outputs, std::uint32_t forward_ms,
                             std::size_t together) const;
  static result<void> warm_up(loaded&);
  static result<void> warm_up_with(loaded&, const std::vector<host_tensor>& inputs);
  result<std::pair<model_manifest, model_file>> open(const protocol::load_model&) const;
  /// Runs one pass with the checks common to all passes.
  static result<std::vector<host_tensor>> pass(loaded&, std::vector<host_tensor> inputs,
                                               std::optional<std::int64_t> batch);
  std::uint32_t ms_since(moment) const;

  std::unique_ptr<backend> backend_;
  std::unique_ptr<time_source> time_;
  std::map<std::string, loaded, std::less<>> models_;
  std::uint32_t batch_max_ = members_max; ///< of the model loaded last
};

} // namespace tayfa::engine
