#include "tests/unit/store/pg/support.hpp"

#include <atomic>

namespace tayfa::store::testing {

tayfa::testing::postgres_server& server() {
  static tayfa::testing::postgres_server one;
  return one;
}

std::string fresh_name(const std::string& prefix) {
  static std::atomic<int> last = 0;
  return prefix + std::to_string(++last);
}

result<adopted_jobs> adopt(postgres_store& by, std::size_t most) {
  std::promise<result<adopted_jobs>> answer;
  by.adopt(most, [&](auto taken) { answer.set_value(std::move(taken)); });
  return answer.get_future().get();
}

} // namespace tayfa::store::testing
