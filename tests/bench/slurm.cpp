#include "tests/bench/slurm.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/fd.hpp"
#include "tests/bench/cluster_under_test.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <unistd.h>

namespace troupe::bench {

using namespace std::chrono_literals;

namespace {

std::string host_name() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  std::string text{name};
  return text.substr(0, text.find('.'));
}

/// Its path; "" where it is not here.
std::string program(const std::string& name) {
  for (const auto* folder : {"/usr/sbin/", "/usr/bin/"})
    if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
  return "";
}

}  // namespace

std::string Slurm::why_not() {
  if (::geteuid() != 0) return "Slurm's daemons need root";
  for (const auto* name : {"slurmctld", "slurmd", "srun", "sbatch", "munged"})
    if (program(name).empty())
      return fmt::format("{} is not here: scripts/install-packages.sh --peers", name);
  return ::getpwnam("munge") == nullptr ? "there is no user munge" : "";
}

Slurm::Slurm(int agents) : agents_{agents}, dir_{scratch_folder("slurm")} {
  environment_ = {"SLURM_CONF=" + dir_ + "/slurm.conf", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                  "LC_ALL=C"};
  std::ofstream{dir_ + "/slurm.conf"} << configuration();
  std::ofstream{dir_ + "/noop"} << "#!/bin/sh\n:\n";
  std::filesystem::create_directories(dir_ + "/state");
  // A key and a socket of its own: a munge of the machine is not touched.
  auto* munge = ::getpwnam("munge");
  auto own = [&](const std::string& path, unsigned mode) {
    (void)::chmod(path.c_str(), mode);
    (void)::chown(path.c_str(), munge->pw_uid, munge->pw_gid);
  };
  std::filesystem::create_directories(dir_ + "/munge");
  auto secret = random_bytes(128);
  std::ofstream{dir_ + "/munge/key"}.write(reinterpret_cast<const char*>(secret.data()), 128);
  own(dir_ + "/munge/key", 0400);
  own(dir_ + "/munge", 0755);
  (void)::chmod(dir_.c_str(), 0755);
  auto in = [&](const char* name) { return fmt::format("{}/munge/{}", dir_, name); };
  start({"setpriv", "--reuid", "munge", "--regid", "munge", "--clear-groups", "munged",
         "--foreground", "--force", "--socket=" + in("socket"), "--key-file=" + in("key"),
         "--pid-file=" + in("pid"), "--log-file=" + in("log"), "--seed-file=" + in("seed")});
  (void)cluster::await([&] { return ::access(in("socket").c_str(), F_OK) == 0; }, 10s);
  start({"slurmctld", "-D", "-f", dir_ + "/slurm.conf"});
  for (int i = 1; i <= agents_; ++i) {
    std::filesystem::create_directories(fmt::format("{}/spool/n{}", dir_, i));
    start({"slurmd", "-D", "-f", dir_ + "/slurm.conf", "-N", fmt::format("n{}", i)});
  }
  await_idle();
}

Slurm::~Slurm() {
  while (!daemons_.empty()) daemons_.pop_back();
}

std::string Slurm::configuration() const {
  auto host = host_name();
  return fmt::format(
      "ClusterName=peer\nSlurmctldHost={0}(127.0.0.1)\nSlurmctldPort=26817\nSlurmUser=root\n"
      "SlurmdUser=root\nAuthType=auth/munge\nCredType=cred/munge\n"
      "AuthInfo=socket={1}/munge/socket\n"
      "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny\nStateSaveLocation={1}/state\n"
      "SlurmdSpoolDir={1}/spool/%n\nSlurmctldPidFile={1}/ctld.pid\nSlurmdPidFile={1}/d.%n.pid\n"
      "SlurmctldLogFile={1}/ctld.log\nSlurmdLogFile={1}/d.%n.log\n"
      "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
      "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n"
      "MpiDefault=none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n"
      "SlurmdParameters=config_overrides\nReturnToService=2\nMaxJobCount=200000\n"
      "MaxArraySize=100001\nEpilogMsgTime=0\nMinJobAge=2\nPriorityType=priority/basic\n"
      "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,"
      "default_queue_depth=10000,partition_job_depth=10000,bf_interval=1,bf_max_job_test=1000,"
      "bf_continue\n"
      "NodeName=n[1-{2}] NodeHostname={0} NodeAddr=127.0.0.1 Port=[27001-{3}] CPUs=4 "
      "State=UNKNOWN\n"
      "PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n",
      host, dir_, agents_, 27000 + agents_);
}

void Slurm::start(std::vector<std::string> argv) {
  argv[0] = program(argv[0]);
  daemons_.emplace_back(argv, environment_, dir_, dir_ + "/out", dir_ + "/err");
}

std::string Slurm::command(std::vector<std::string> argv) {
  argv[0] = program(argv[0]);
  auto out = dir_ + "/said";
  std::filesystem::remove(out);
  cluster::Child child{argv, environment_, dir_, out, dir_ + "/err"};
  if (child.wait(120s) != 0)
    fmt::print(stderr, "{} failed: {}\n", argv[0], read_file(dir_ + "/err").value_or(""));
  return read_file(out).value_or("");
}

void Slurm::await_idle() {
  bool idle = cluster::await(
      [&] {
        return command({"sinfo", "-h", "-o", "%T %D"}) == fmt::format("idle {}\n", agents_);
      },
      60s);
  if (!idle) fmt::print(stderr, "Slurm's agents are not idle; see {}\n", dir_);
}

double Slurm::jobs_a_second(int jobs) {
  auto began = now_seconds();
  command({"sbatch", fmt::format("--array=0-{}", jobs - 1), "-o", "/dev/null", dir_ + "/noop"});
  // Each look costs the controller; twenty a second is little beside what it does.
  while (!command({"squeue", "-h", "-r", "-o", "%i", "-t", "PD,R,CG"}).empty()) {
    // tidy: allow sleep: between two looks
    ::usleep(50'000);
  }
  auto rate = jobs / (now_seconds() - began);
  await_idle();
  return rate;
}

void Slurm::run_stamps(int tasks, const std::string& stamps, const std::string& stay_ms) {
  auto count = fmt::to_string(tasks);
  command({"srun", "-N", count, "-n", count, STAMP_PROGRAM, stamps, stay_ms});
}

}  // namespace troupe::bench
