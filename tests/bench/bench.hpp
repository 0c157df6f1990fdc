// The figures, each a function that prints its rows. `quick` runs it small, to see that it works.
#pragma once

#include <string>

namespace troupe::bench {

void bench_throughput(bool quick);
void bench_sweep(bool quick);
void bench_start_latency(bool quick);
void bench_submissions(bool quick);
void bench_history(bool quick);
void bench_memory(bool quick);
void bench_grid(bool quick);
void bench_philly(bool quick);
void bench_packing(bool quick);
void bench_kueue(bool quick);
void bench_decisions(bool quick);
void bench_machines(bool quick);
void bench_starts(bool quick);
void bench_control(bool quick);
void bench_failures(bool quick);
void bench_recovery(bool quick);
void bench_head(bool quick);
void bench_alarms(bool quick);
void bench_comm(bool quick);
void bench_training_native(bool quick);
void bench_dataset_records(bool quick);
void bench_dataset_copies(bool quick);
void bench_dataset_files(bool quick);
void bench_dataset_cold(bool quick);
void bench_dataset_fill(bool quick);
void bench_dataset_network(bool quick);
void bench_dataset_packing(bool quick);
void bench_dataset_python(bool quick);
void bench_hpo_cost(bool quick);
void bench_hpo_tables(bool quick);
void bench_hpo_functions(bool quick);
void bench_hpo_curves(bool quick);
void bench_hpo_digits(bool quick);
void bench_hpo_study(bool quick);
void bench_hpo_ask_tell(bool quick);

/// Single submissions over RPC, with so many calls in flight on each connection.
double rpc_submissions_a_second(bool quick, int connections, int in_flight);

/// One row: the figure, what was measured, and the bar it is held against.
void row(const std::string& figure, const std::string& measured, const std::string& bar);

}  // namespace troupe::bench
