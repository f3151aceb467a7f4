// Variables that container platforms write for services, as opposed to slips of an owner.
#include "runtime/config/config.hpp"
#include "runtime/config/foreign_variables.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace tayfa {
namespace {

using testing::HasSubstr;

/// The variables that Kubernetes sets in every container for a Service.
std::vector<std::string> service(std::string name, const std::string& address,
                                 const std::string& port, const std::string& protocol = "tcp") {
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  });
  std::string upper = protocol;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return static_cast<char>(c - 'a' + 'A'); });
  const std::string url = protocol + "://" + address + ":" + port;
  const std::string one = name + "_PORT_" + port + "_" + upper;
  return {name + "_SERVICE_HOST=" + address,
          name + "_SERVICE_PORT=" + port,
          name + "_SERVICE_PORT_HTTP_API=" + port,
          name + "_PORT=" + url,
          one + "=" + url,
          one + "_PROTO=" + protocol,
          one + "_PORT=" + port,
          one + "_ADDR=" + address};
}

std::string errors_of(std::vector<std::string> environment) {
  const auto loaded = load_config({"", std::move(environment), {}});
  return loaded ? std::string{} : loaded.error().text;
}

TEST(foreign_variables, services_of_any_name_are_no_settings) {
  for (const char* name : {"tayfa", "tayfa-http", "tayfa-queue", "tayfa-workers", "tayfa-engine",
                           "tayfa-log-level", "tayfa-http-listen", "tayfa-pod-data-port"}) {
    EXPECT_EQ(errors_of(service(name, "10.96.0.7", "8000")), "") << name;
    EXPECT_EQ(errors_of(service(name, "fd00::7", "53", "udp")), "") << name;
    EXPECT_EQ(errors_of(service(name, "[fd00::7]", "9899", "sctp")), "") << name;
  }
}

TEST(foreign_variables, links_of_docker_are_no_settings) {
  EXPECT_EQ(
      errors_of({"TAYFA_QUEUE_NAME=/web/tayfa_queue", "TAYFA_QUEUE_PORT=tcp://172.17.0.5:6379",
                 "TAYFA_QUEUE_PORT_6379_TCP=tcp://172.17.0.5:6379",
                 "TAYFA_QUEUE_ENV_REDIS_VERSION=7.2", "TAYFA_QUEUE_ENV_MAX=9"}),
      "");
}

TEST(foreign_variables, an_owners_slip_is_still_an_error) {
  EXPECT_THAT(errors_of({"TAYFA_QUEUE_MAXX=1"}), HasSubstr("did you mean TAYFA_QUEUE_MAX?"));
  EXPECT_THAT(errors_of({"TAYFA_HTTP_PORT=8000"}), HasSubstr("TAYFA_HTTP_PORT: no such setting"));
  for (const char* slip : {"TAYFA_HTTP_SERVICE_HOST=pod.example", "TAYFA_HTTP_SERVICE_PORT=http",
                           "TAYFA_HTTP_SERVICE_PORTS=8000", "TAYFA_HTTP_PORT=http://10.0.0.1:80",
                           "TAYFA_HTTP_PORT=tcp://10.0.0.1", "TAYFA_HTTP_PORT=tcp://10.0.0.1:70000",
                           "TAYFA_HTTP_PORT_8000_TCP_ADDR=here", "TAYFA_HTTP_PORT_8000_TCP=8000",
                           "TAYFA_QUEUE_NAME=/web/queue", "TAYFA_QUEUE_ENV_MAX=9"}) {
    EXPECT_THAT(errors_of({slip}), HasSubstr("no such setting")) << slip;
  }
}

TEST(foreign_variables, settings_beside_them_are_read) {
  auto environment = service("tayfa-queue", "10.0.0.1", "80");
  environment.emplace_back("TAYFA_QUEUE_MAX=7");
  const auto loaded = load_config({"", environment, {}});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->values.queue_max, 7U);
}

TEST(foreign_variables, an_address_of_a_service_by_its_form) {
  for (const char* yes :
       {"tcp://10.0.0.1:1", "udp://fd00::1:53", "sctp://[::1]:9", "tcp://None:1"}) {
    EXPECT_TRUE(is_service_address(yes)) << yes;
  }
  for (const char* no : {"", "8000", "tcp://", "tcp://:1", "tcp://10.0.0.1:", "http://10.0.0.1:1",
                         "tcp://10.0.0.1:1/x", "TCP://10.0.0.1:1", "tcp://name:1"}) {
    EXPECT_FALSE(is_service_address(no)) << no;
  }
}

TEST(foreign_variables, the_former_name_of_the_threads_is_read_and_todays_wins) {
  const auto threads = [](std::vector<std::string> environment) {
    const auto loaded = load_config({"", std::move(environment), {}});
    return loaded ? static_cast<int>(loaded->values.engine_threads) : -1;
  };
  EXPECT_EQ(threads({}), 0);
  EXPECT_EQ(threads({"TAYFA_TORCH_THREADS=3"}), 3);
  EXPECT_EQ(threads({"TAYFA_ENGINE_THREADS=5", "TAYFA_TORCH_THREADS=3"}), 5);
  EXPECT_EQ(threads({"TAYFA_TORCH_THREADS=3", "TAYFA_ENGINE_THREADS=5"}), 5);
  EXPECT_THAT(errors_of({"TAYFA_TORCH_THREADS=two"}), HasSubstr("from env TAYFA_TORCH_THREADS"));
  EXPECT_THAT(errors_of({"TAYFA_TORCH_THREADS=1025"}), HasSubstr("engine.threads"));
}

} // namespace
} // namespace tayfa
