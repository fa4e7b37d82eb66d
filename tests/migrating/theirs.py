"""The words of other queues, from their own lists: decorators' options, methods, commands, events.
Celery 5.7, RQ 3.0, Huey 3.5 and APScheduler 3.11 as introspected; Laravel's from its sources.
What only its authors use is left out.
"""

CELERY = """
    name typing max_retries default_retry_delay rate_limit ignore_result store_errors_even_if_ignored serializer time_limit
    soft_time_limit backend track_started send_events acks_late acks_on_failure_or_timeout acks_on_failure acks_on_timeout
    reject_on_worker_lost throws expires priority resultrepr_maxsize bind delay apply_async retry apply chunks map starmap
    replace add_to_chord update_state before_start on_success on_retry on_failure after_return countdown eta queue exchange
    routing_key compression headers task_id shadow link link_error retry_policy autoretry_for dont_autoretry_for
    retry_backoff retry_backoff_max retry_jitter --hostname --detach --statedb --loglevel -O --prefetch-multiplier
    --disable-prefetch -c -P --events --time-limit --soft-time-limit worker_max_tasks_per_child worker_max_memory_per_child
    --discard -Q -X -I --without-gossip --without-mingle --without-heartbeat --autoscale --beat --schedule --scheduler
    --max-interval --logfile --pidfile --uid --gid --umask report purge call beat list result status worker events inspect
    control graph shell multi forget revoke revoke_by_stamped_headers get collect ready successful failed traceback state
    children date_done retries clone set stamp si chain group chord before_task_publish after_task_publish task_prerun
    task_postrun task_success task_rejected task_unknown task_retry task_failure task_revoked worker_init
    worker_process_init worker_ready worker_shutdown beat_init setup_logging after_setup_logger add_consumer cancel_consumer
    pool_grow pool_shrink shutdown pool_restart ping stats registered scheduled reserved active_queues query_task active
"""

RQ = """
    job_timeout result_ttl ttl failure_ttl description depends_on job_id meta retry repeat on_success on_failure on_stopped
    webhooks group_id rate_limit at_front enqueue enqueue_in enqueue_at enqueue_many is_async empty delete is_empty fetch_job
    job_ids jobs count started_job_registry scheduled_job_registry deferred_job_registry finished_job_registry
    canceled_job_registry FailedJobRegistry get_status get_position exc_info return_value latest_result results cancel requeue
    save_meta info suspend resume cron worker worker-pool --burst --name --results-ttl --worker-ttl --maintenance-interval
    --job-monitoring-interval --exception-handler --max-jobs --max-idle-time --with-scheduler --dequeue-strategy
    --logging_level --log-format --quiet --verbose --pid send_stop_job_command
"""

HUEY = """
    retries retry_delay retry_backoff priority context name expires timeout periodic_task context_task pre_execute post_execute
    on_startup on_shutdown signal put get revoke_all restore revoke revoke_by_id is_revoked pending pending_count scheduled
    scheduled_count all_results result_count flush lock_task is_locked flush_locks rate_limit unregister schedule map call_local
    s is_ready get_raw_result reschedule reset then results store_none utc immediate serializer compression
    store_intermediate_errors --logfile --verbose --quiet --simple -w -k --delay --max-delay --backoff --health-check-interval
    --disable-health-check --flush-locks --extra-locks --max-tasks --shutdown-timeout --graceful-signal --scheduler-interval
    --no-periodic SIGNAL_COMPLETE SIGNAL_ERROR SIGNAL_EXECUTING SIGNAL_EXPIRED SIGNAL_INTERRUPTED SIGNAL_LOCKED
    SIGNAL_RATE_LIMITED SIGNAL_RETRYING SIGNAL_REVOKED SIGNAL_TIMEOUT
"""

APSCHEDULER = """
    start shutdown pause resume add_executor add_jobstore add_listener add_job scheduled_job modify_job reschedule_job pause_job
    resume_job get_jobs get_job remove_job remove_all_jobs print_jobs export_jobs import_jobs wakeup args kwargs id
    misfire_grace_time coalesce max_instances next_run_time jobstore executor replace_existing year day week hour second
    start_date end_date timezone jitter months minutes CalendarIntervalTrigger EVENT_JOB_ERROR EVENT_JOB_EXECUTED
    EVENT_JOB_SUBMITTED EVENT_JOB_MISSED EVENT_JOB_MAX_INSTANCES
"""

LARAVEL = """
    dispatch dispatchIf dispatchUnless dispatchSync dispatchAfterResponse delay onQueue onConnection allOnQueue allOnConnection
    withoutDelay afterCommit beforeCommit ShouldQueueAfterCommit $tries $backoff $timeout $maxExceptions retryUntil
    $failOnTimeout $deleteWhenMissingModels failed Interruptible tags displayName ShouldBeEncrypted release fail ShouldBeUnique
    uniqueId $uniqueFor ShouldBeUniqueUntilProcessing DebounceFor WithoutOverlapping RateLimited ThrottlesExceptions Skip Release
    FailOnException SkipIfBatchCancelled chain batch then progress finally allowFailures name add prependToChain appendToChain
    queue:work --queue --once --tries --timeout --sleep --rest --backoff --max-jobs --max-time --memory --stop-when-empty
    --stop-when-empty-for --force --name --json queue:listen queue:restart queue:failed queue:retry queue:forget queue:flush
    queue:prune-failed queue:clear queue:monitor queue:pause queue:resume queue:retry-batch queue:prune-batches queue:table
    retry_after before after failing looping fake schedule:run schedule:list schedule:test schedule:pause schedule:resume
    schedule:interrupt schedule:clear-cache schedule:finish horizon:pause horizon:continue horizon:terminate horizon:status
    horizon:list horizon:supervisors horizon:snapshot horizon:clear horizon:forget waits trim balance minProcesses maxProcesses
    silenced withoutOverlapping onOneServer dailyAt weeklyOn monthlyOn between when environments
"""
