// The functions behind the verbs, named by the table. Each prints its data and answers with the
// exit code.
#pragma once

namespace troupe::cli {

class Session;

int run_verb(Session& session);
int sweep_verb(Session& session);
int init_verb(Session& session);
int up_verb(Session& session);
int ls_verb(Session& session);
int show_verb(Session& session);
int logs_verb(Session& session);
int metrics_verb(Session& session);
int kill_verb(Session& session);
int set_verb(Session& session);
int add_verb(Session& session);
int skip_verb(Session& session);
int wait_verb(Session& session);
int rerun_verb(Session& session);
int why_verb(Session& session);
int best_verb(Session& session);
int plot_verb(Session& session);
int export_verb(Session& session);
int out_ls_verb(Session& session);
int out_get_verb(Session& session);
int code_get_verb(Session& session);
int data_push_verb(Session& session);
int data_ls_verb(Session& session);
int data_show_verb(Session& session);
int data_get_verb(Session& session);
int data_head_verb(Session& session);
int data_diff_verb(Session& session);
int data_tag_verb(Session& session);
int data_rm_verb(Session& session);
int data_warm_verb(Session& session);
int data_fsck_verb(Session& session);
int data_gc_verb(Session& session);
int data_du_verb(Session& session);
int node_ls_verb(Session& session);
int simulate_verb(Session& session);
int node_show_verb(Session& session);
int node_plan_verb(Session& session);
int node_drain_verb(Session& session);
int node_resume_verb(Session& session);
int node_label_verb(Session& session);
int node_remove_verb(Session& session);
int token_join_verb(Session& session);
int head_verb(Session& session);
int worker_verb(Session& session);
int context_ls_verb(Session& session);
int context_use_verb(Session& session);
int login_verb(Session& session);
int whoami_verb(Session& session);
int doctor_verb(Session& session);
int version_verb(Session& session);
int help_verb(Session& session);
int completion_verb(Session& session);
int complete_ids_verb(Session& session);
int reference_verb(Session& session);
int launcher_verb(Session& session);
int serve_files_verb(Session& session);
int pmi_rank_verb(Session& session);
int receipt_rank_verb(Session& session);
int bench_comm_verb(Session& session);
int comm_rank_verb(Session& session);
int pmix_rank_verb(Session& session);

}  // namespace troupe::cli
