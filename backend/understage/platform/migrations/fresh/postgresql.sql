CREATE TABLE understage_schema_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT understage_schema_version_pkc PRIMARY KEY (version_num)
)
--
CREATE TABLE signing_keys (
	kid TEXT NOT NULL,
	issuer TEXT NOT NULL,
	key TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (kid)
)
--
CREATE INDEX signing_keys_by_issuer ON signing_keys (issuer, expires_at)
--
INSERT INTO understage_schema_version (version_num) VALUES ('0001_signing_keys') RETURNING understage_schema_version.version_num
--
CREATE TABLE refresh_state (
	id BIGSERIAL NOT NULL,
	uid TEXT COLLATE "C" NOT NULL,
	entity_ref TEXT COLLATE "C" NOT NULL,
	unprocessed_entity TEXT NOT NULL,
	unprocessed_hash TEXT NOT NULL,
	processed_entity TEXT,
	result_hash TEXT,
	cache TEXT,
	errors TEXT DEFAULT '[]' NOT NULL,
	next_update_at BIGINT NOT NULL,
	last_discovery_at BIGINT NOT NULL,
	location_key TEXT,
	PRIMARY KEY (id),
	UNIQUE (uid),
	UNIQUE (entity_ref)
)
--
CREATE INDEX ix_refresh_state_next_update_at ON refresh_state (next_update_at)
--
CREATE TABLE refresh_state_references (
	id BIGSERIAL NOT NULL,
	source_key TEXT,
	source_entity_ref TEXT COLLATE "C",
	target_entity_ref TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(source_entity_ref) REFERENCES refresh_state (entity_ref) ON DELETE CASCADE,
	FOREIGN KEY(target_entity_ref) REFERENCES refresh_state (entity_ref) ON DELETE CASCADE
)
--
CREATE INDEX refresh_state_references_by_source_key ON refresh_state_references (source_key)
--
CREATE INDEX refresh_state_references_by_source_ref ON refresh_state_references (source_entity_ref)
--
CREATE INDEX refresh_state_references_by_target_ref ON refresh_state_references (target_entity_ref)
--
CREATE TABLE refresh_keys (
	entity_id BIGINT NOT NULL,
	key TEXT NOT NULL,
	PRIMARY KEY (entity_id, key),
	FOREIGN KEY(entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE
)
--
CREATE INDEX ix_refresh_keys_key ON refresh_keys (key)
--
CREATE TABLE relations (
	originating_entity_id BIGINT NOT NULL,
	source_entity_ref TEXT COLLATE "C" NOT NULL,
	type TEXT COLLATE "C" NOT NULL,
	target_entity_ref TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (originating_entity_id, source_entity_ref, type, target_entity_ref),
	FOREIGN KEY(originating_entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE
)
--
CREATE INDEX relations_by_source ON relations (source_entity_ref)
--
CREATE INDEX relations_by_target ON relations (target_entity_ref)
--
CREATE TABLE final_entities (
	entity_id BIGINT NOT NULL,
	uid TEXT COLLATE "C" NOT NULL,
	entity_ref TEXT COLLATE "C" NOT NULL,
	final_entity TEXT NOT NULL,
	hash TEXT NOT NULL,
	last_updated_at BIGINT NOT NULL,
	PRIMARY KEY (entity_id),
	FOREIGN KEY(entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE,
	UNIQUE (uid),
	UNIQUE (entity_ref)
)
--
CREATE TABLE search (
	id BIGSERIAL NOT NULL,
	entity_id BIGINT NOT NULL,
	key TEXT COLLATE "C" NOT NULL,
	value TEXT COLLATE "C",
	original_value TEXT COLLATE "C",
	PRIMARY KEY (id),
	CONSTRAINT search_unique UNIQUE (entity_id, key, value),
	FOREIGN KEY(entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE
)
--
CREATE INDEX search_by_key_value ON search (key, value, entity_id)
--
CREATE TABLE stitch_queue (
	entity_ref TEXT COLLATE "C" NOT NULL,
	stitch_ticket TEXT NOT NULL,
	next_stitch_at BIGINT NOT NULL,
	PRIMARY KEY (entity_ref)
)
--
CREATE INDEX ix_stitch_queue_next_stitch_at ON stitch_queue (next_stitch_at)
--
CREATE TABLE locations (
	id TEXT COLLATE "C" NOT NULL,
	type TEXT NOT NULL,
	target TEXT NOT NULL,
	location_entity_ref TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT locations_unique UNIQUE (type, target)
)
--
UPDATE understage_schema_version SET version_num='0002_catalog' WHERE understage_schema_version.version_num = '0001_signing_keys'
--
CREATE TABLE tasks (
	seq BIGSERIAL NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	spec TEXT NOT NULL,
	status TEXT COLLATE "C" NOT NULL,
	is_recoverable BOOLEAN DEFAULT false NOT NULL,
	secrets BYTEA,
	created_by TEXT COLLATE "C",
	traceparent TEXT,
	created_at BIGINT NOT NULL,
	queued_at BIGINT NOT NULL,
	last_heartbeat_at BIGINT,
	owner TEXT COLLATE "C",
	fence BIGINT DEFAULT '0' NOT NULL,
	lease_until BIGINT,
	journal BIGINT DEFAULT '0' NOT NULL,
	cancel_requested BOOLEAN DEFAULT false NOT NULL,
	resumed BOOLEAN DEFAULT false NOT NULL,
	deaths INTEGER DEFAULT '0' NOT NULL,
	PRIMARY KEY (seq),
	UNIQUE (id)
)
--
CREATE INDEX ix_tasks_created_at ON tasks (created_at)
--
CREATE INDEX ix_tasks_owner ON tasks (owner)
--
CREATE INDEX tasks_by_creator ON tasks (created_by, created_at)
--
CREATE INDEX tasks_by_status ON tasks (status, queued_at, seq)
--
CREATE TABLE task_events (
	id BIGSERIAL NOT NULL,
	task_id TEXT COLLATE "C" NOT NULL,
	event_type TEXT NOT NULL,
	step_id TEXT,
	body TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE CASCADE
)
--
CREATE INDEX task_events_by_task ON task_events (task_id, id)
--
CREATE TABLE task_steps (
	task_id TEXT COLLATE "C" NOT NULL,
	step_id TEXT NOT NULL,
	position INTEGER NOT NULL,
	status TEXT NOT NULL,
	result BYTEA NOT NULL,
	PRIMARY KEY (task_id, step_id),
	FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE CASCADE
)
--
CREATE TABLE task_checkpoints (
	task_id TEXT COLLATE "C" NOT NULL,
	step_id TEXT NOT NULL,
	key TEXT NOT NULL,
	value BYTEA NOT NULL,
	PRIMARY KEY (task_id, step_id, key),
	FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE CASCADE
)
--
CREATE TABLE task_workspaces (
	task_id TEXT COLLATE "C" NOT NULL,
	fingerprint TEXT NOT NULL,
	content BYTEA,
	location TEXT,
	PRIMARY KEY (task_id),
	FOREIGN KEY(task_id) REFERENCES tasks (id) ON DELETE CASCADE
)
--
UPDATE understage_schema_version SET version_num='0003_scaffolder' WHERE understage_schema_version.version_num = '0002_catalog'
--
CREATE TABLE scheduled_tasks (
	id TEXT COLLATE "C" NOT NULL,
	next_run_at BIGINT,
	ticket TEXT,
	lease_until BIGINT,
	started_at BIGINT,
	ended_at BIGINT,
	error TEXT,
	PRIMARY KEY (id)
)
--
UPDATE understage_schema_version SET version_num='0004_scheduled_tasks' WHERE understage_schema_version.version_num = '0003_scaffolder'
--
ALTER TABLE refresh_state ADD COLUMN last_read_at BIGINT
--
CREATE INDEX refresh_state_failing ON refresh_state (entity_ref) WHERE errors <> '[]'
--
CREATE TABLE failures (
	entity_id BIGINT NOT NULL,
	stage TEXT NOT NULL,
	since BIGINT NOT NULL,
	is_kept BOOLEAN NOT NULL,
	error TEXT,
	PRIMARY KEY (entity_id, stage),
	FOREIGN KEY(entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE
)
--
CREATE TABLE conflicts (
	id BIGSERIAL NOT NULL,
	entity_ref TEXT COLLATE "C" NOT NULL,
	source_key TEXT,
	source_entity_ref TEXT COLLATE "C",
	location_key TEXT,
	since BIGINT NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(entity_ref) REFERENCES refresh_state (entity_ref) ON DELETE CASCADE,
	FOREIGN KEY(source_entity_ref) REFERENCES refresh_state (entity_ref) ON DELETE CASCADE
)
--
CREATE INDEX ix_conflicts_entity_ref ON conflicts (entity_ref)
--
CREATE INDEX ix_conflicts_source_entity_ref ON conflicts (source_entity_ref)
--
INSERT INTO failures (entity_id, stage, since, is_kept)
        SELECT id, 'processing', CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT), processed_entity IS NOT NULL
        FROM refresh_state WHERE errors <> '[]'
--
UPDATE understage_schema_version SET version_num='0005_reports' WHERE understage_schema_version.version_num = '0004_scheduled_tasks'
--
CREATE TABLE ingestions (
	id TEXT COLLATE "C" NOT NULL,
	provider_name TEXT COLLATE "C" NOT NULL,
	status TEXT NOT NULL,
	next_action TEXT NOT NULL,
	next_action_at BIGINT NOT NULL,
	last_error TEXT,
	attempts INTEGER DEFAULT '0' NOT NULL,
	created_at BIGINT NOT NULL,
	rest_completed_at BIGINT,
	completion_ticket TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ingestions_unique UNIQUE (provider_name, completion_ticket)
)
--
CREATE TABLE ingestion_marks (
	id TEXT COLLATE "C" NOT NULL,
	ingestion_id TEXT COLLATE "C" NOT NULL,
	cursor TEXT NOT NULL,
	sequence INTEGER NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ingestion_marks_unique UNIQUE (ingestion_id, sequence),
	FOREIGN KEY(ingestion_id) REFERENCES ingestions (id) ON DELETE CASCADE
)
--
CREATE TABLE ingestion_mark_entities (
	ingestion_id TEXT COLLATE "C" NOT NULL,
	ref TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (ingestion_id, ref),
	FOREIGN KEY(ingestion_id) REFERENCES ingestions (id) ON DELETE CASCADE
)
--
UPDATE understage_schema_version SET version_num='0006_incremental' WHERE understage_schema_version.version_num = '0005_reports'
--
CREATE TABLE catalog_changes (
	id BIGSERIAL NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (id)
)
--
CREATE TABLE refresh_buckets (
	bucket BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	last_at BIGINT,
	claimed_until BIGINT NOT NULL,
	claim BIGINT NOT NULL,
	PRIMARY KEY (bucket)
)
--
CREATE TABLE refresh_due (
	entity_id BIGINT NOT NULL,
	due_at BIGINT NOT NULL,
	claimed_until BIGINT NOT NULL,
	claim BIGINT NOT NULL,
	PRIMARY KEY (entity_id),
	FOREIGN KEY(entity_id) REFERENCES refresh_state (id) ON DELETE CASCADE
)
--
CREATE INDEX ix_refresh_due_due_at ON refresh_due (due_at)
--
INSERT INTO refresh_buckets (bucket, next_at, claimed_until, claim)
        SELECT DISTINCT id / 1000, 0, 0, 0 FROM refresh_state
--
ALTER TABLE search ADD COLUMN kind TEXT COLLATE "C"
--
DROP INDEX search_by_key_value
--
UPDATE search SET kind = (
            SELECT substr(s.entity_ref, 1, strpos(s.entity_ref, ':') - 1) FROM refresh_state s WHERE s.id = search.entity_id
        )
--
CREATE INDEX search_by_key_value ON search (key, value, entity_id) INCLUDE (kind, original_value)
--
CREATE STATISTICS search_key_value (mcv) ON key, value FROM search
--
ALTER STATISTICS search_key_value SET STATISTICS 1000
--
ANALYZE search
--
SAVEPOINT sa_savepoint_1
--
CREATE EXTENSION IF NOT EXISTS pg_trgm
--
CREATE INDEX search_by_text ON search USING gin (value gin_trgm_ops)
                WHERE key IN ('metadata.name', 'metadata.title', 'spec.profile.displayname')
--
RELEASE SAVEPOINT sa_savepoint_1
--
DROP INDEX relations_by_target
--
ALTER TABLE relations DROP CONSTRAINT relations_originating_entity_id_fkey
--
ALTER TABLE relations DROP CONSTRAINT relations_pkey
--
CREATE INDEX relations_by_origin ON relations (originating_entity_id)
--
ALTER TABLE search DROP CONSTRAINT search_entity_id_fkey
--
ALTER TABLE search DROP CONSTRAINT search_unique
--
ALTER TABLE search DROP CONSTRAINT search_pkey
--
CREATE INDEX search_by_entity ON search (entity_id)
--
CREATE FUNCTION understage_forget_entities() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM search WHERE entity_id IN (SELECT id FROM gone);
        DELETE FROM relations WHERE originating_entity_id IN (SELECT id FROM gone);
        RETURN NULL;
    END $$
--
CREATE TRIGGER understage_forget_entities AFTER DELETE ON refresh_state
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION understage_forget_entities()
--
UPDATE understage_schema_version SET version_num='0007_bulk_writes' WHERE understage_schema_version.version_num = '0006_incremental'
--
CREATE TABLE measured_deployments (
	id BIGSERIAL NOT NULL,
	application TEXT COLLATE "C" NOT NULL,
	revision TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	service TEXT COLLATE "C" NOT NULL,
	environment TEXT COLLATE "C" NOT NULL,
	committed_at BIGINT,
	is_rollback BOOLEAN DEFAULT false NOT NULL,
	source TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT measured_deployments_unique UNIQUE (application, revision, at)
)
--
CREATE INDEX measured_deployments_by_environment ON measured_deployments (environment, at)
--
CREATE INDEX measured_deployments_by_service ON measured_deployments (service, at)
--
CREATE TABLE measured_healths (
	id BIGSERIAL NOT NULL,
	application TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	status TEXT NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT measured_healths_unique UNIQUE (application, at, status)
)
--
CREATE TABLE measured_starts (
	service TEXT COLLATE "C" NOT NULL,
	key TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (service, key)
)
--
CREATE TABLE measured_tasks (
	id TEXT COLLATE "C" NOT NULL,
	seen_at BIGINT NOT NULL,
	PRIMARY KEY (id)
)
--
CREATE INDEX ix_measured_tasks_seen_at ON measured_tasks (seen_at)
--
CREATE TABLE measured_tickets (
	source TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	opened_at BIGINT NOT NULL,
	closed_at BIGINT,
	service TEXT COLLATE "C",
	team TEXT COLLATE "C",
	PRIMARY KEY (source, id)
)
--
CREATE INDEX ix_measured_tickets_closed_at ON measured_tickets (closed_at)
--
CREATE INDEX ix_measured_tickets_opened_at ON measured_tickets (opened_at)
--
CREATE TABLE survey_answers (
	question TEXT COLLATE "C" NOT NULL,
	period TEXT COLLATE "C" NOT NULL,
	person TEXT COLLATE "C" NOT NULL,
	score INTEGER NOT NULL,
	comment TEXT,
	at BIGINT NOT NULL,
	PRIMARY KEY (question, period, person)
)
--
CREATE INDEX ix_survey_answers_at ON survey_answers (at)
--
UPDATE understage_schema_version SET version_num='0008_measures' WHERE understage_schema_version.version_num = '0007_bulk_writes'
