// The http_gateway of a local test: no socket, one call. The call arrives like any client's and its
// answer goes to a callback, so the job takes the same path through the pod as any other.
//
// Owner: run_serve. Thread safe, as http_gateway requires.
#pragma once

#include "runtime/http/gateway.hpp"

#include <functional>
#include <optional>

namespace tayfa {

class one_shot_gateway final : public http_gateway {
 public:
  /// `answered` is called exactly once after open(), from any thread; never when the pod ends
  /// before open().
  one_shot_gateway(api::call only, std::function<void(api::response)> answered)
      : call_(std::move(only)), answered_(std::move(answered)) {}

  void open(call_sink sink, std::function<void(result<std::string>)> done) override;
  void redirect(call_sink) override {} // the one call has been handed over already
  void close(std::function<void()> done) override { done(); }

 private:
  std::optional<api::call> call_; ///< set until open()
  std::function<void(api::response)> answered_;
};

} // namespace tayfa
