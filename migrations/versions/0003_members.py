"""Citizens, staff, source machines: accounts, keys, sessions, consents, and who is live."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CITIZENS = """
CREATE TABLE citizens (
    citizen_id uuid NOT NULL,
    status text NOT NULL DEFAULT 'active',
    joined_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citizens PRIMARY KEY (citizen_id),
    CONSTRAINT ck_citizens__status CHECK (status IN ('active', 'restricted', 'left'))
);
CREATE TABLE citizen_keys (
    citizen_id uuid NOT NULL,
    wrapped_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citizen_keys PRIMARY KEY (citizen_id),
    CONSTRAINT fk_citizen_keys__citizen_id FOREIGN KEY (citizen_id) REFERENCES citizens (citizen_id)
);
CREATE TABLE citizen_profiles (
    citizen_id uuid NOT NULL,
    name_sealed bytea NOT NULL,
    id_number_sealed bytea NOT NULL,
    phone_sealed bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citizen_profiles PRIMARY KEY (citizen_id),
    CONSTRAINT fk_citizen_profiles__citizen_id
        FOREIGN KEY (citizen_id) REFERENCES citizens (citizen_id)
);
-- Distributed by what is looked up; its key is what makes one person one citizen.
CREATE TABLE citizen_lookup (
    blind_index bytea NOT NULL,
    purpose text NOT NULL,
    citizen_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citizen_lookup PRIMARY KEY (blind_index, purpose),
    CONSTRAINT ck_citizen_lookup__purpose CHECK (purpose IN ('id_number', 'openid')),
    CONSTRAINT ck_citizen_lookup__blind_index CHECK (octet_length(blind_index) = 32)
);
CREATE INDEX ix_citizen_lookup__citizen_id ON citizen_lookup (citizen_id);
CREATE TABLE wechat_identities (
    citizen_id uuid NOT NULL,
    openid_sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_wechat_identities PRIMARY KEY (citizen_id),
    CONSTRAINT fk_wechat_identities__citizen_id
        FOREIGN KEY (citizen_id) REFERENCES citizens (citizen_id)
);
CREATE TABLE consents (
    citizen_id uuid NOT NULL,
    consent_id uuid NOT NULL,
    purpose text NOT NULL,
    text_version bigint NOT NULL,
    text_hash bytea NOT NULL,
    decision text NOT NULL,
    channel text NOT NULL,
    decided_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_consents PRIMARY KEY (citizen_id, consent_id),
    CONSTRAINT fk_consents__citizen_id FOREIGN KEY (citizen_id) REFERENCES citizens (citizen_id),
    CONSTRAINT ck_consents__decision CHECK (decision IN ('given', 'withdrawn')),
    CONSTRAINT ck_consents__channel CHECK (channel IN ('wechat', 'register', 'counter'))
);
CREATE TABLE citizen_sessions (
    citizen_id uuid NOT NULL,
    session_id uuid NOT NULL,
    refresh_id uuid NOT NULL,
    refresh_generation bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citizen_sessions PRIMARY KEY (citizen_id, session_id),
    CONSTRAINT fk_citizen_sessions__citizen_id
        FOREIGN KEY (citizen_id) REFERENCES citizens (citizen_id),
    CONSTRAINT ck_citizen_sessions__ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
CREATE TABLE consent_texts (
    purpose text NOT NULL,
    version bigint NOT NULL,
    receiver text NOT NULL,
    required boolean NOT NULL,
    sensitive boolean NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    text_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_consent_texts PRIMARY KEY (purpose, version),
    CONSTRAINT ck_consent_texts__purpose CHECK (purpose ~ '^[a-z_]{1,40}$')
);
"""

STAFF = """
CREATE TABLE staff_accounts (
    staff_id uuid NOT NULL,
    username text NOT NULL,
    role text NOT NULL,
    display_name text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_staff_accounts PRIMARY KEY (staff_id),
    CONSTRAINT uq_staff_accounts__username UNIQUE (username),
    CONSTRAINT ck_staff_accounts__role CHECK (role IN ('clerk', 'merchant_owner', 'operator')),
    CONSTRAINT ck_staff_accounts__status CHECK (status IN ('active', 'disabled'))
);
CREATE TABLE staff_credentials (
    staff_id uuid NOT NULL,
    password_hash text NOT NULL,
    totp_sealed bytea NOT NULL,
    totp_last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_staff_credentials PRIMARY KEY (staff_id),
    CONSTRAINT fk_staff_credentials__staff_id
        FOREIGN KEY (staff_id) REFERENCES staff_accounts (staff_id)
);
CREATE TABLE staff_sessions (
    staff_id uuid NOT NULL,
    session_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_staff_sessions PRIMARY KEY (staff_id, session_id),
    CONSTRAINT fk_staff_sessions__staff_id
        FOREIGN KEY (staff_id) REFERENCES staff_accounts (staff_id),
    CONSTRAINT ck_staff_sessions__ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
-- Changes with every refresh, so it stays out of the reference table above.
CREATE TABLE staff_refreshes (
    staff_id uuid NOT NULL,
    session_id uuid NOT NULL,
    refresh_id uuid NOT NULL,
    refresh_generation bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_staff_refreshes PRIMARY KEY (staff_id, session_id)
);
CREATE TABLE source_accounts (
    source_id uuid NOT NULL,
    name text NOT NULL,
    status text NOT NULL DEFAULT 'active',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_source_accounts PRIMARY KEY (source_id),
    CONSTRAINT uq_source_accounts__name UNIQUE (name),
    CONSTRAINT ck_source_accounts__status CHECK (status IN ('active', 'disabled'))
);
CREATE TABLE source_credentials (
    credential_id uuid NOT NULL,
    source_id uuid NOT NULL,
    secret_hash bytea NOT NULL,
    ended_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_source_credentials PRIMARY KEY (credential_id),
    CONSTRAINT fk_source_credentials__source_id
        FOREIGN KEY (source_id) REFERENCES source_accounts (source_id)
);
CREATE TABLE source_sessions (
    source_id uuid NOT NULL,
    session_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    refresh_id uuid NOT NULL,
    refresh_generation bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_source_sessions PRIMARY KEY (source_id, session_id),
    CONSTRAINT fk_source_sessions__credential_id
        FOREIGN KEY (credential_id) REFERENCES source_credentials (credential_id),
    CONSTRAINT ck_source_sessions__ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
);
-- Attempts that did not end in a sign-in; the keys are keyed hashes of user name and address.
CREATE TABLE sign_in_attempts (
    attempt_id uuid NOT NULL,
    account_key bytea NOT NULL,
    client_key bytea NOT NULL,
    known_client boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_sign_in_attempts PRIMARY KEY (attempt_id)
);
CREATE INDEX ix_sign_in_attempts__account_key ON sign_in_attempts (account_key, created_at);
CREATE INDEX ix_sign_in_attempts__client_key ON sign_in_attempts (client_key, created_at);
CREATE INDEX ix_sign_in_attempts__created_at ON sign_in_attempts (created_at);
CREATE TABLE known_clients (
    account_key bytea NOT NULL,
    client_key bytea NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_known_clients PRIMARY KEY (account_key, client_key)
);
"""

# Who is live.  Read in other rooms' hot statements: plpgsql keeps the plans.
LIVENESS = """
CREATE FUNCTION citizen_is_active(citizen uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM citizens c WHERE c.citizen_id = citizen AND c.status = 'active');
END $$;

CREATE FUNCTION citizen_session_is_live(citizen uuid, session uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM citizen_sessions s JOIN citizens c ON c.citizen_id = s.citizen_id
        WHERE s.citizen_id = citizen AND s.session_id = session AND s.ended_at IS NULL
          AND s.expires_at > now() AND c.status <> 'left');
END $$;

CREATE FUNCTION staff_session_is_live(staff uuid, session uuid, role_name text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM staff_sessions s JOIN staff_accounts a ON a.staff_id = s.staff_id
        WHERE s.staff_id = staff AND s.session_id = session AND s.ended_at IS NULL
          AND s.expires_at > now() AND a.status = 'active' AND a.role = role_name);
END $$;

CREATE FUNCTION source_session_is_live(source uuid, session uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM source_sessions s
        JOIN source_accounts a ON a.source_id = s.source_id
        JOIN source_credentials k ON k.credential_id = s.credential_id
        WHERE s.source_id = source AND s.session_id = session AND s.ended_at IS NULL
          AND s.expires_at > now() AND a.status = 'active' AND k.ended_at IS NULL);
END $$;

-- 'given' when the last decision on this purpose is a consent to the newest text, 'stale' when it
-- is a consent to an older text, 'withdrawn', or 'none'.
CREATE FUNCTION citizen_consent_state(citizen uuid, purpose_name text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE last consents%ROWTYPE;
BEGIN
    SELECT * INTO last FROM consents c
    WHERE c.citizen_id = citizen AND c.purpose = purpose_name
    ORDER BY c.decided_at DESC, c.consent_id DESC LIMIT 1;
    IF NOT FOUND THEN RETURN 'none'; END IF;
    IF last.decision = 'withdrawn' THEN RETURN 'withdrawn'; END IF;
    IF last.text_version < (SELECT max(t.version) FROM consent_texts t
                            WHERE t.purpose = purpose_name) THEN
        RETURN 'stale';
    END IF;
    RETURN 'given';
END $$;
"""

# Rotation: the row lock makes one of two racing refreshes first; the other one then presents an id
# that is not the current one any more, which ends the session.  Outcomes: rotated, reused, ended.
REFRESH = """
CREATE FUNCTION citizen_refresh(citizen uuid, session uuid, presented uuid, successor uuid)
RETURNS TABLE (outcome text, seconds_left double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held citizen_sessions%ROWTYPE;
BEGIN
    SELECT * INTO held FROM citizen_sessions s
    WHERE s.citizen_id = citizen AND s.session_id = session FOR UPDATE;
    IF NOT FOUND OR held.ended_at IS NOT NULL
       OR NOT citizen_session_is_live(citizen, session) THEN
        RETURN QUERY SELECT 'ended', 0::double precision;
    ELSIF held.refresh_id <> presented THEN
        UPDATE citizen_sessions s SET ended_at = clock_timestamp(), ended_reason = 'refresh_reused'
        WHERE s.citizen_id = citizen AND s.session_id = session;
        RETURN QUERY SELECT 'reused', 0::double precision;
    ELSE
        UPDATE citizen_sessions s
        SET refresh_id = successor, refresh_generation = held.refresh_generation + 1
        WHERE s.citizen_id = citizen AND s.session_id = session;
        RETURN QUERY SELECT 'rotated',
            extract(epoch FROM held.expires_at - clock_timestamp())::double precision;
    END IF;
END $$;

CREATE FUNCTION staff_refresh(staff uuid, session uuid, role_name text, presented uuid,
                              successor uuid)
RETURNS TABLE (outcome text, seconds_left double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held staff_refreshes%ROWTYPE;
BEGIN
    SELECT * INTO held FROM staff_refreshes r
    WHERE r.staff_id = staff AND r.session_id = session FOR UPDATE;
    IF NOT FOUND OR NOT staff_session_is_live(staff, session, role_name) THEN
        RETURN QUERY SELECT 'ended', 0::double precision;
    ELSIF held.refresh_id <> presented THEN
        UPDATE staff_sessions s SET ended_at = clock_timestamp(), ended_reason = 'refresh_reused'
        WHERE s.staff_id = staff AND s.session_id = session;
        RETURN QUERY SELECT 'reused', 0::double precision;
    ELSE
        UPDATE staff_refreshes r
        SET refresh_id = successor, refresh_generation = held.refresh_generation + 1
        WHERE r.staff_id = staff AND r.session_id = session;
        RETURN QUERY SELECT 'rotated',
            extract(epoch FROM s.expires_at - clock_timestamp())::double precision
            FROM staff_sessions s WHERE s.staff_id = staff AND s.session_id = session;
    END IF;
END $$;

CREATE FUNCTION source_refresh(source uuid, session uuid, presented uuid, successor uuid)
RETURNS TABLE (outcome text, seconds_left double precision)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE held source_sessions%ROWTYPE;
BEGIN
    SELECT * INTO held FROM source_sessions s
    WHERE s.source_id = source AND s.session_id = session FOR UPDATE;
    IF NOT FOUND OR held.ended_at IS NOT NULL
       OR NOT source_session_is_live(source, session) THEN
        RETURN QUERY SELECT 'ended', 0::double precision;
    ELSIF held.refresh_id <> presented THEN
        UPDATE source_sessions s SET ended_at = clock_timestamp(), ended_reason = 'refresh_reused'
        WHERE s.source_id = source AND s.session_id = session;
        RETURN QUERY SELECT 'reused', 0::double precision;
    ELSE
        UPDATE source_sessions s
        SET refresh_id = successor, refresh_generation = held.refresh_generation + 1
        WHERE s.source_id = source AND s.session_id = session;
        RETURN QUERY SELECT 'rotated',
            extract(epoch FROM held.expires_at - clock_timestamp())::double precision;
    END IF;
END $$;
"""

# A lost WeChat account is taken off its member, who can then join from another one.
UNBIND = """
CREATE FUNCTION citizen_unbind_wechat(citizen uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE was_bound boolean;
BEGIN
    DELETE FROM wechat_identities w WHERE w.citizen_id = citizen;
    was_bound := FOUND;
    DELETE FROM citizen_lookup l WHERE l.citizen_id = citizen AND l.purpose = 'openid';
    RETURN was_bound;
END $$;
"""

# An attempt is counted before the password is looked at, under a lock per account and per client,
# so that many attempts at once are counted too; a success takes its attempts away again.
ATTEMPTS = """
CREATE FUNCTION sign_in_attempt(attempt uuid, account bytea, client bytea) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    pair_limit CONSTANT integer := 5;      -- failures of this client on this account without delay
    hour_limit CONSTANT integer := 20;     -- failures an hour: account from unknown clients; client
    longest CONSTANT interval := interval '15 minutes';
    moment timestamptz;
    failures integer;
    last_at timestamptz;
    is_known boolean;
    pause interval := interval '0';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('account' || encode(account, 'hex'), 0));
    PERFORM pg_advisory_xact_lock(hashtextextended('client' || encode(client, 'hex'), 0));
    moment := clock_timestamp();
    is_known := EXISTS (SELECT FROM known_clients k WHERE k.account_key = account
                        AND k.client_key = client AND k.seen_at > moment - interval '30 days');
    SELECT count(*), max(a.created_at) INTO failures, last_at FROM sign_in_attempts a
    WHERE a.account_key = account AND a.client_key = client
      AND a.created_at > moment - interval '1 hour';
    IF failures >= pair_limit THEN
        pause := least(interval '2 seconds' * 2 ^ least(failures - pair_limit, 20), longest)
                - (moment - last_at);
    END IF;
    IF NOT is_known THEN
        SELECT greatest(pause, t.created_at + interval '1 hour' - moment) INTO pause FROM (
            SELECT a.created_at FROM sign_in_attempts a
            WHERE a.account_key = account AND NOT a.known_client
              AND a.created_at > moment - interval '1 hour'
            ORDER BY a.created_at DESC OFFSET hour_limit - 1 LIMIT 1
        ) t RIGHT JOIN (SELECT) one ON true;
    END IF;
    SELECT greatest(pause, t.created_at + interval '1 hour' - moment) INTO pause FROM (
        SELECT a.created_at FROM sign_in_attempts a
        WHERE a.client_key = client AND a.created_at > moment - interval '1 hour'
        ORDER BY a.created_at DESC OFFSET hour_limit - 1 LIMIT 1
    ) t RIGHT JOIN (SELECT) one ON true;
    IF pause > interval '0' THEN
        RETURN ceil(extract(epoch FROM pause))::integer;
    END IF;
    DELETE FROM sign_in_attempts a WHERE a.created_at < moment - interval '1 day';
    INSERT INTO sign_in_attempts (attempt_id, account_key, client_key, known_client, created_at)
    VALUES (attempt, account, client, is_known, moment);
    RETURN 0;
END $$;

CREATE FUNCTION sign_in_succeeded(account bytea, client bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM sign_in_attempts a WHERE a.account_key = account AND a.client_key = client;
    INSERT INTO known_clients AS k (account_key, client_key) VALUES (account, client)
    ON CONFLICT (account_key, client_key) DO UPDATE SET seen_at = clock_timestamp();
    DELETE FROM known_clients k
    WHERE k.account_key = account AND k.seen_at < now() - interval '30 days';
END $$;
"""

# Which outbox messages WeChat has been given; a message is one row, however often its job runs.
MESSAGES = """
CREATE TABLE wechat_messages (
    citizen_id uuid NOT NULL,
    message_id uuid NOT NULL,
    topic text NOT NULL,
    state text NOT NULL DEFAULT 'sending',
    settled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_wechat_messages PRIMARY KEY (citizen_id, message_id),
    CONSTRAINT ck_wechat_messages__state
        CHECK (state IN ('sending', 'sent', 'refused', 'unreachable')),
    CONSTRAINT ck_wechat_messages__settled CHECK ((settled_at IS NULL) = (state = 'sending'))
);
GRANT SELECT, INSERT, UPDATE (state, settled_at) ON wechat_messages TO card_job;
GRANT SELECT ON wechat_messages TO card_web;
"""

GRANTS = """
GRANT SELECT, INSERT ON citizens, citizen_keys, citizen_profiles, citizen_lookup,
    wechat_identities, consents, citizen_sessions, consent_texts, staff_accounts,
    staff_credentials, staff_sessions, staff_refreshes, source_accounts, source_credentials,
    source_sessions TO card_web;
GRANT UPDATE (status) ON citizens TO card_web;
GRANT UPDATE (phone_sealed) ON citizen_profiles TO card_web;
GRANT UPDATE (ended_at, ended_reason) ON citizen_sessions, staff_sessions, source_sessions
    TO card_web;
GRANT UPDATE (status) ON staff_accounts, source_accounts TO card_web;
GRANT UPDATE (password_hash, totp_last_step) ON staff_credentials TO card_web;
GRANT UPDATE (ended_at) ON source_credentials TO card_web;
GRANT SELECT, INSERT ON citizens, citizen_keys, citizen_profiles, citizen_lookup, consents
    TO card_job;
GRANT UPDATE (status) ON citizens TO card_job;
GRANT SELECT ON wechat_identities, consent_texts, staff_accounts, source_accounts TO card_job;
GRANT SELECT ON citizens, consents, consent_texts TO card_report;
"""

FUNCTIONS = (
    ("citizen_is_active(uuid)", "card_web, card_job"),
    ("citizen_session_is_live(uuid, uuid)", "card_web, card_job"),
    ("staff_session_is_live(uuid, uuid, text)", "card_web, card_job"),
    ("source_session_is_live(uuid, uuid)", "card_web, card_job"),
    ("citizen_consent_state(uuid, text)", "card_web, card_job"),
    ("citizen_refresh(uuid, uuid, uuid, uuid)", "card_web"),
    ("staff_refresh(uuid, uuid, text, uuid, uuid)", "card_web"),
    ("source_refresh(uuid, uuid, uuid, uuid)", "card_web"),
    ("citizen_unbind_wechat(uuid)", "card_web"),
    ("sign_in_attempt(uuid, bytea, bytea)", "card_web"),
    ("sign_in_succeeded(bytea, bytea)", "card_web"),
)

TABLES = (
    "wechat_messages", "known_clients", "sign_in_attempts", "source_sessions",
    "source_credentials", "source_accounts",
    "staff_refreshes", "staff_sessions", "staff_credentials", "staff_accounts", "consent_texts",
    "citizen_sessions", "consents", "wechat_identities", "citizen_lookup", "citizen_profiles",
    "citizen_keys", "citizens",
)  # fmt: skip

# The first texts; a city publishes its own later versions with `flask staff publish-consent`.
TEXTS = (
    ("membership", "市民诚信卡平台", True, False, "加入市民诚信卡",
     "本人自愿加入市民诚信卡。同意平台核验姓名、身份证号码和手机号码，归集信息目录内的正向信息，用于计算信用分、发放积分和核验权益。不加入不影响享受任何基本公共服务；本人可随时退出。"),
    ("library", "公共图书馆", False, False, "信易阅",
     "同意在图书馆出示服务码时，向图书馆告知是否符合条件、等级和可借册数。不涉及借阅内容。"),
    ("transit_location", "公共交通企业", False, True, "信易行",
     "同意公共交通企业上传优惠乘车的时间和地点，用于计算优惠和结算补贴。行踪信息属敏感个人信息。"),
    ("rental", "免押租借商户", False, False, "信易租",
     "同意向租借商户告知是否符合免押条件，并为本次租借登记担保额度。"),
    ("clinic", "医疗机构", False, True, "信易医",
     "同意向就诊机构告知是否符合先诊疗后付费条件和可用额度。不涉及诊断、处方等健康信息。"),
    ("loan", "合作银行", False, True, "信易贷",
     "同意向本人选择的银行出具载明等级和有效期的凭证。"),
)  # fmt: skip


def upgrade() -> None:
    op.execute(CITIZENS)
    op.execute(STAFF)
    op.execute(LIVENESS)
    op.execute(REFRESH)
    op.execute(UNBIND)
    op.execute(ATTEMPTS)
    op.execute(MESSAGES)
    op.execute(GRANTS)
    for function, roles in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {roles}")
    for purpose, receiver, required, sensitive, title, body in TEXTS:
        op.execute(f"""
        INSERT INTO consent_texts
            (purpose, version, receiver, required, sensitive, title, body, text_hash)
        VALUES ('{purpose}', 1, '{receiver}', {required}, {sensitive}, '{title}', '{body}',
                sha256(convert_to('{title}' || chr(10) || '{body}', 'UTF8')))
        """)


def downgrade() -> None:
    for function, _ in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
