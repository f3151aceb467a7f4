// The queue: one actor that owns the job table and nothing else. It turns messages into commands of
// the table and the table's effects into messages, log lines and metrics; every decision is in
// runtime/core/job_table.
//
// States: WAITING (the pod is not READY: jobs are accepted, workers' announcements are postponed)
// -> SERVING -> DRAINING (nothing more is taken or given out). The table outlives the actor: a
// restarted queue treats every attempt as lost, so no accepted job is.
#pragma once

#include "actors/common.hpp"
#include "runtime/core/job_table.hpp"

#include <map>
#include <memory>
#include <optional>

namespace tayfa {

job_limits limits_from(const config&);

class queue : public queue_actor::base {
 public:
  queue(caf::actor_config&, pod_context, std::shared_ptr<job_table>);

  const char* name() const override { return "queue"; }
  behavior_type make_behavior() override;
  void on_exit() override;

 private:
  behavior_type waiting();
  behavior_type serving();
  behavior_type draining();

  submit_answer submit(const submit_job&);
  job_answer find(const find_job&);
  job_answer cancel(const cancel_job&);
  stream_answer read(const read_job_stream&);
  void joined(const worker_ready&);
  void said(const worker_said&);
  void gone(const worker_gone&);
  void pod(const pod_moved&);
  void drain();
  void met(const crew&);
  void deadline(const timer&);

  moment now() const { return ctx_.outside.time.now(); }
  /// Carries out what the table decided, then tells who must know of the new load.
  void apply(const effects&);
  void apply_one(const give&);
  void apply_one(const revoke&);
  void apply_one(const moved&);
  void after();
  void tell_load();
  void arm();

  struct seat {
    std::uint64_t incarnation = 0;
    gpu_worker_actor handle;
  };

  pod_context ctx_;
  std::shared_ptr<job_table> table_;
  crew crew_;
  std::map<slot_id, seat> workers_;
  bool drained_told_ = false;
  bool serves_ = false;
  bool is_draining_ = false;
  load_changed load_;
  bool load_told_ = false;
  std::optional<moment> armed_for_;
  std::uint64_t ticket_ = 0;
};

} // namespace tayfa
