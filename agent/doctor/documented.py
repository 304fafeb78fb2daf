"""Words of Asterisk 22.10.1, by its own documentation: written by
tests/doctor/make_vocabulary.py, read by vocabulary.py."""

APPLICATIONS = """\
app_adsiprog: ADSIProg
app_agent_pool: AgentLogin AgentRequest
app_alarmreceiver: AlarmReceiver
app_amd: AMD
app_attended_transfer: AttendedTransfer
app_audiosocket: AudioSocket
app_authenticate: Authenticate
app_blind_transfer: BlindTransfer
app_bridgeaddchan: BridgeAdd
app_bridgewait: BridgeWait
app_broadcast: Broadcast
app_cdr: ResetCDR
app_celgenuserevent: CELGenUserEvent
app_chanisavail: ChanIsAvail
app_channelredirect: ChannelRedirect
app_chanspy: ChanSpy DAHDIScan ExtenSpy
app_confbridge: ConfBridge ConfKick
app_controlplayback: ControlPlayback
app_db: DBdeltree
app_dial: Dial RetryDial
app_dictate: Dictate
app_directed_pickup: Pickup PickupChan
app_directory: Directory
app_disa: DISA
app_dtmfstore: StoreDTMF
app_dumpchan: DumpChan
app_echo: Echo
app_exec: Exec ExecIf TryExec
app_externalivr: ExternalIVR
app_festival: Festival
app_followme: FollowMe
app_forkcdr: ForkCDR
app_getcpeid: GetCPEID
app_if: Else ElseIf EndIf ExitIf If
app_jack: JACK
app_mf: ReceiveMF SendMF
app_milliwatt: Milliwatt
app_minivm: MinivmAccMess MinivmDelete MinivmGreet MinivmMWI MinivmNotify MinivmRecord
app_mixmonitor: MixMonitor StopMixMonitor
app_morsecode: Morsecode
app_mp3: MP3Player
app_originate: Originate
app_page: Page
app_playback: Playback
app_playtones: PlayTones StopPlayTones
app_privacy: PrivacyManager
app_queue: AddQueueMember PauseQueueMember Queue QueueLog QueueUpdate RemoveQueueMember
  UnpauseQueueMember
app_read: Read
app_readexten: ReadExten
app_record: Record
app_reload: Reload
app_sayunixtime: DateTime SayUnixTime
app_senddtmf: SendDTMF
app_sendtext: ReceiveText SendText
app_sf: ReceiveSF SendSF
app_signal: Signal WaitForSignal
app_sla: SLAStation SLATrunk
app_sms: SMS
app_softhangup: SoftHangup
app_speech_utils: SpeechActivateGrammar SpeechBackground SpeechCreate
  SpeechDeactivateGrammar SpeechDestroy SpeechLoadGrammar SpeechProcessingSound
  SpeechStart SpeechUnloadGrammar
app_stack: Gosub GosubIf Return StackPop
app_stasis: Stasis
app_stasis_broadcast: StasisBroadcast
app_stream_echo: StreamEcho
app_system: System TrySystem
app_talkdetect: BackgroundDetect
app_test: TestClient TestServer
app_transfer: Transfer
app_userevent: UserEvent
app_verbose: Log Verbose
app_voicemail: VMAuthenticate VMSayName VoiceMail VoiceMailMain VoiceMailPlayMsg
app_voicemail_odbc: VMAuthenticate VMSayName VoiceMail VoiceMailMain VoiceMailPlayMsg
app_waitforcond: WaitForCondition
app_waitforring: WaitForRing
app_waitforsilence: WaitForNoise WaitForSilence
app_waituntil: WaitUntil
app_while: ContinueWhile EndWhile ExitWhile While
app_zapateller: Zapateller
chan_iax2: IAX2Provision
chan_pjsip: PJSIPHangup PJSIPNotify
core: Answer BackGround Bridge Busy CallCompletionCancel CallCompletionRequest
  Congestion DAHDIAcceptR2Call DAHDISendCallreroutingFacility DAHDISendKeypadFacility
  ExecIfTime Flash Goto GotoIf GotoIfTime Hangup IVRDemo Incomplete MSet MeetMe
  MeetMeAdmin MeetMeChannelAdmin MeetMeCount MessageSend NoOp Park ParkAndAnnounce
  ParkedCall Proceeding Progress RaiseException Ringing SayAlpha SayAlphaCase
  SayCountedAdj SayCountedNoun SayDigits SayMoney SayNumber SayOrdinal SayPhonetic Set
  SkelGuessNumber StatsD VMAuthenticate VMSayName VoiceMail VoiceMailMain
  VoiceMailPlayMsg Wait WaitDigit WaitExten
func_hangupcause: HangupCauseClear
func_odbc: ODBCFinish
func_strings: ClearHash
pbx_ael: AELSub
res_agi: AGI DeadAGI EAGI
res_fax: ReceiveFAX SendFAX
res_musiconhold: MusicOnHold StartMusicOnHold StopMusicOnHold
res_odbc_transaction: ODBC_Commit ODBC_Rollback
res_tonedetect: ToneScan WaitForTone
res_xmpp: JabberJoin JabberLeave JabberSend JabberSendGroup
"""
FUNCTIONS = """\
app_agent_pool: AGENT
app_confbridge: CONFBRIDGE CONFBRIDGE_CHANNELS CONFBRIDGE_INFO
app_minivm: MINIVMACCOUNT MINIVMCOUNTER
app_mixmonitor: MIXMONITOR
app_queue: QUEUE_EXISTS QUEUE_GET_CHANNEL QUEUE_MEMBER QUEUE_MEMBER_COUNT
  QUEUE_MEMBER_LIST QUEUE_MEMBER_PENALTY QUEUE_VARIABLES QUEUE_WAITING_COUNT
app_record: RECORDING_INFO
app_speech_utils: SPEECH SPEECH_ENGINE SPEECH_GRAMMAR SPEECH_RESULTS_TYPE SPEECH_SCORE
  SPEECH_TEXT
app_stack: LOCAL LOCAL_PEEK STACK_PEEK
app_voicemail: VM_INFO
app_voicemail_odbc: VM_INFO
chan_iax2: IAXPEER IAXVAR
chan_pjsip: PJSIP_DIAL_CONTACTS PJSIP_DTMF_MODE PJSIP_MEDIA_OFFER PJSIP_MOH_PASSTHROUGH
  PJSIP_PARSE_URI PJSIP_PARSE_URI_FROM PJSIP_SEND_SESSION_REFRESH
  PJSIP_TRANSFER_HANDLING
core: AMI_CLIENT DAHDI_CHANNEL EXCEPTION FEATURE FEATUREMAP LOG_GROUP MEETME_INFO
  MESSAGE MESSAGE_DATA PARK_GET_CHANNEL POLARITY TESTTIME VM_INFO
func_aes: AES_DECRYPT AES_ENCRYPT
func_base64: BASE64_DECODE BASE64_ENCODE
func_blacklist: BLACKLIST
func_callcompletion: CALLCOMPLETION
func_callerid: CALLERID CONNECTEDLINE REDIRECTING
func_cdr: CDR CDR_PROP
func_channel: CHANNEL CHANNELS CHANNEL_EXISTS MASTER_CHANNEL
func_config: AST_CONFIG
func_curl: CURL CURLOPT
func_cut: CUT SORT
func_db: DB DB_DELETE DB_EXISTS DB_KEYCOUNT DB_KEYS
func_devstate: DEVICE_STATE HINT
func_dialgroup: DIALGROUP
func_dialplan: DIALPLAN_EXISTS VALID_EXTEN
func_enum: ENUMLOOKUP ENUMQUERY ENUMRESULT TXTCIDNAME
func_env: BASENAME DIRNAME ENV FILE FILE_COUNT_LINE FILE_FORMAT STAT
func_evalexten: EVAL_EXTEN EVAL_SUB
func_export: EXPORT
func_extstate: EXTENSION_STATE
func_frame_drop: FRAME_DROP
func_frame_trace: FRAME_TRACE
func_global: GLOBAL GLOBAL_DELETE GLOBAL_EXISTS SHARED
func_groupcount: GROUP GROUP_COUNT GROUP_LIST GROUP_MATCH_COUNT
func_hangupcause: HANGUPCAUSE HANGUPCAUSE_KEYS
func_holdintercept: HOLD_INTERCEPT
func_iconv: ICONV
func_jitterbuffer: JITTERBUFFER
func_json: JSON_DECODE
func_lock: LOCK TRYLOCK UNLOCK
func_logic: DELETE EXISTS IF IFTIME IMPORT ISNULL SET VARIABLE_EXISTS
func_math: ABS DEC DIGIT_SUM INC MATH MAX MIN
func_md5: MD5
func_module: IFMODULE
func_odbc: ODBC_FETCH SQL_ESC SQL_ESC_BACKSLASHES
func_periodic_hook: PERIODIC_HOOK
func_pitchshift: PITCH_SHIFT
func_pjsip_aor: PJSIP_AOR
func_pjsip_contact: PJSIP_CONTACT
func_pjsip_endpoint: PJSIP_ENDPOINT
func_presencestate: PRESENCE_STATE
func_rand: RAND
func_realtime: REALTIME REALTIME_DESTROY REALTIME_FIELD REALTIME_HASH REALTIME_STORE
func_sayfiles: SAYFILES
func_scramble: SCRAMBLE
func_sha1: SHA1
func_shell: SHELL
func_sorcery: AST_SORCERY
func_speex: AGC DENOISE
func_sprintf: SPRINTF
func_srv: SRVQUERY SRVRESULT
func_strings: ARRAY CSV_QUOTE EVAL FIELDNUM FIELDQTY FILTER HASH HASHKEYS KEYPADHASH LEN
  LISTFILTER LTRIM PASSTHRU POP PUSH QUOTE REGEX REPLACE RTRIM SHIFT STRBETWEEN STRFTIME
  STRPTIME STRREPLACE TOLOWER TOUPPER TRIM UNSHIFT
func_sysinfo: SYSINFO
func_talkdetect: TALK_DETECT
func_timeout: TIMEOUT
func_uri: URIDECODE URIENCODE
func_uuid: UUID
func_version: VERSION
func_vmcount: VMCOUNT
func_volume: VOLUME
pbx_dundi: DUNDILOOKUP DUNDIQUERY DUNDIRESULT
res_calendar: CALENDAR_BUSY CALENDAR_EVENT CALENDAR_QUERY CALENDAR_QUERY_RESULT
  CALENDAR_WRITE
res_fax: FAXOPT
res_geolocation: GEOLOC_PROFILE
res_mutestream: MUTEAUDIO
res_odbc_transaction: ODBC
res_phoneprov: PP_EACH_EXTENSION PP_EACH_USER
res_pjsip_header_funcs: PJSIP_HEADER PJSIP_HEADERS PJSIP_HEADER_PARAM
  PJSIP_INHERITABLE_HEADER PJSIP_RESPONSE_HEADER PJSIP_RESPONSE_HEADERS
res_smdi: SMDI_MSG SMDI_MSG_RETRIEVE
res_stir_shaken: STIR_SHAKEN STIR_SHAKEN_ATTESTATION
res_tonedetect: TONE_DETECT
res_xmpp: JABBER_RECEIVE JABBER_STATUS
"""
OPTIONS = """\
ari.conf general: allowed_origins auth_realm channelvars enabled pretty
  websocket_write_timeout#
ari.conf outbound_websocket: apps local_ari_user subscribe_all? type websocket_client_id
ari.conf user: acl deny password password_format permit read_only type
chan_websocket.conf global: control_message_format
pjsip.conf acl: acl contact_acl contact_deny contact_permit deny permit type
pjsip.conf aor: authenticate_qualify contact default_expiration# mailboxes max_contacts#
  maximum_expiration# minimum_expiration# outbound_proxy qualify_2xx_only
  qualify_frequency# qualify_timeout remove_existing? remove_unavailable? support_path
  type voicemail_extension
pjsip.conf asterisk-publication: device_state? device_state_filter devicestate_publish
  mailbox_state? mailbox_state_filter mailboxstate_publish type
pjsip.conf auth: auth_type md5_cred nonce_lifetime# oauth_clientid oauth_secret password
  password_digest realm refresh_token supported_algorithms_uac supported_algorithms_uas
  type username
pjsip.conf contact: authenticate_qualify call_id endpoint expiration_time outbound_proxy
  path prune_on_boot qualify_2xx_only qualify_frequency# qualify_timeout reg_server type
  uri user_agent via_addr via_port
pjsip.conf domain_alias: domain type
pjsip.conf endpoint: 100rel accept_multiple_sdp_answers? accountcode acl aggregate_mwi?
  allow allow_overlap? allow_subscribe? allow_transfer? allow_unauthenticated_options?
  aors asymmetric_rtp_codec? auth bind_rtp_to_media_address bundle? call_group callerid
  callerid_privacy callerid_tag codec_prefs_incoming_answer codec_prefs_incoming_offer
  codec_prefs_outgoing_answer codec_prefs_outgoing_offer connected_line_method
  contact_acl contact_deny contact_permit contact_user context cos_audio cos_video deny
  device_state_busy_at# direct_media? direct_media_glare_mitigation direct_media_method
  disable_direct_media_on_nat? disallow dtls_auto_generate_cert? dtls_ca_file
  dtls_ca_path dtls_cert_file dtls_cipher dtls_fingerprint dtls_private_key dtls_rekey
  dtls_setup dtls_verify dtmf_mode fax_detect? fax_detect_timeout
  follow_early_media_fork follow_redirect_methods force_avp? force_rport? from_domain
  from_user g726_non_standard? geoloc_incoming_call_profile geoloc_outgoing_call_profile
  ice_support? identify_by ignore_183_without_sdp? inband_progress?
  incoming_call_offer_pref incoming_mwi_mailbox language mailboxes max_audio_streams#
  max_video_streams# media_address media_encryption media_encryption_optimistic?
  media_use_received_transport? message_context moh_passthrough? moh_suggest
  mwi_from_user mwi_subscribe_replaces_unsolicited named_call_group named_pickup_group
  notify_early_inuse_ringing? one_touch_recording? outbound_auth outbound_proxy
  outgoing_call_offer_pref overlap_context permit pickup_group preferred_codec_only?
  record_off_feature record_on_feature redirect_method refer_blind_progress?
  rewrite_contact rpid_immediate? rtcp_mux? rtp_engine rtp_ipv6? rtp_keepalive
  rtp_port_end# rtp_port_start# rtp_symmetric? rtp_timeout# rtp_timeout_hold# sdp_owner
  sdp_session security_mechanisms security_negotiation send_aoc? send_connected_line
  send_diversion? send_history_info? send_pai? send_rpid? set_var srtp_tag_32
  stir_shaken? stir_shaken_profile sub_min_expiry# subscribe_context
  suppress_moh_on_sendonly? suppress_q850_reason_headers?
  t38_bind_udptl_to_media_address? t38_udptl? t38_udptl_ec t38_udptl_ipv6?
  t38_udptl_maxdatagram# t38_udptl_nat? tenantid timers timers_min_se#
  timers_sess_expires# tone_zone tos_audio tos_video transport trust_connected_line
  trust_id_inbound? trust_id_outbound? type use_avpf? use_ptime? user_eq_phone?
  voicemail_extension webrtc?
pjsip.conf global: all_codecs_on_empty_reinvite? allow_sending_180_after_183?
  contact_expiration_check_interval# debug? default_auth_algorithms_uac
  default_auth_algorithms_uas default_from_user default_outbound_endpoint default_realm
  default_voicemail_extension disable_multi_domain? endpoint_identifier_order
  ignore_uri_user_options keep_alive_interval# max_forwards# max_initial_qualify_time#
  mwi_disable_initial_unsolicited? mwi_tps_queue_high# mwi_tps_queue_low norefersub?
  regcontext send_contact_status_on_update_registration? taskprocessor_overload_trigger
  type unidentified_request_count# unidentified_request_period#
  unidentified_request_prune_interval# use_callerid_contact? user_agent
pjsip.conf identify: endpoint match match_header match_request_uri srv_lookups? type
pjsip.conf inbound-publication: endpoint type
pjsip.conf outbound-publish: event expiration# from_uri max_auth_attempts# multi_user?
  outbound_auth outbound_proxy server_uri to_uri transport type
pjsip.conf phoneprov: * MAC PROFILE endpoint type
pjsip.conf registration: auth_rejection_permanent? client_uri contact_header_params
  contact_user endpoint expiration# fatal_retry_interval# forbidden_retry_interval# line
  max_random_initial_delay# max_retries# outbound_auth outbound_proxy retry_interval#
  security_mechanisms security_negotiation server_uri support_outbound support_path
  transport type user_agent
pjsip.conf resource_list: event full_state? list_item notification_batch_interval#
  resource_display_name? type
pjsip.conf subscription_persistence: contact_uri cseq endpoint expires generator_data
  local_name local_port packet prune_on_boot src_name src_port tag transport_key
pjsip.conf system: accept_multiple_sdp_answers compact_headers? disable_rport?
  disable_tcp_switch? follow_early_media_fork taskpool_auto_increment#
  taskpool_idle_timeout# taskpool_initial_size# taskpool_max_size#
  taskpool_minimum_size# threadpool_auto_increment# threadpool_idle_timeout#
  threadpool_initial_size# threadpool_max_size# timer_b# timer_t1# type
pjsip.conf transport: allow_reload? allow_wildcard_certs? async_operations# bind
  ca_list_file ca_list_path cert_file cipher cos? domain external_media_address
  external_signaling_address external_signaling_port# local_net method password
  priv_key_file protocol require_client_cert? symmetric_transport? tcp_keepalive_enable?
  tcp_keepalive_idle_time# tcp_keepalive_interval_time# tcp_keepalive_probe_count# tos?
  type verify_client? verify_server? websocket_write_timeout#
websocket_client.conf websocket_client: ca_list_file ca_list_path cert_file
  connection_timeout connection_type password priv_key_file protocols reconnect_attempts
  reconnect_interval tls_enabled type uri username verify_server_cert
  verify_server_hostname
"""
